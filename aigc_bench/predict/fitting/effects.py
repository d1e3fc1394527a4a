"""Systematic deviations from the closed form, by group: engine, version, model, number format, architecture.

``log(measured / closed form) = sum over the row's groups of u[group] + noise``, every ``u`` drawn from a normal of its level's
spread: a group seen once moves little, a group seen often moves all the way, an unseen group not at all (ridge regression on
indicator columns, the posterior mean of a hierarchical model). No group names a rate of the hardware, so a faster device never
becomes a slower prediction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Groups = Sequence[Mapping[str, str]]
"""Per row: level -> group of that level (``{"engine": "tpot|vllm"}``)."""


def fit_effects(
    residuals: Floats, *, groups: Groups, spreads: Mapping[str, float], noise: float, rounds: int = 4
) -> dict[str, float]:
    """Effect by ``level=group``. Outliers lose weight (Huber's, 1.5 noise); spreads and noise are standard deviations of logs.

    ``residuals`` are logs of measured over predicted, of shape ``[rows]``. Levels that ``spreads`` does not name are left out.
    """
    from scipy import sparse
    from scipy.sparse.linalg import LinearOperator, cg

    names: dict[str, int] = {}
    rows: list[int] = []
    columns: list[int] = []
    penalties: list[float] = []
    for index, row in enumerate(groups):
        for level, group in row.items():
            if level not in spreads:
                continue
            key = f"{level}={group}"
            if key not in names:
                names[key] = len(names)
                # Ridge penalty of a normal prior with that spread, in units of the noise's variance.
                penalties.append((noise / spreads[level]) ** 2)
            rows.append(index)
            columns.append(names[key])
    design = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(residuals), len(names)))
    # Stored by rows as well: the product with the transpose runs in each step of the solver.
    transposed = design.T.tocsr()
    ridge = np.array(penalties)
    weights = np.ones(len(residuals))
    effects = np.zeros(len(names))
    for _ in range(rounds):
        # (Z' W Z + R) u, never built as a matrix: Z has one column for each group, of which there are thousands.
        def normal(u: Floats, weights: Floats = weights) -> Floats:
            image: Floats = transposed @ (weights * (design @ u)) + ridge * u
            return image

        diagonal = transposed @ weights + ridge
        system: Any = LinearOperator((len(names), len(names)), matvec=normal, dtype=float)
        # Jacobi preconditioner: groups differ in their number of rows by orders of magnitude.
        scaling: Any = sparse.diags(1 / diagonal)
        image: Any = transposed @ (weights * residuals)
        # From the last round's effects, since only the weights have changed.
        effects, _ = cg(system, image, x0=effects, rtol=1e-5, maxiter=200, M=scaling)
        rest = np.abs(residuals - design @ effects)
        # Iteratively reweighted least squares; 1e-9 keeps an exact fit from dividing by zero.
        weights = np.minimum(1.0, 1.5 * noise / np.maximum(rest, 1e-9))
    return {name: float(effects[index]) for name, index in names.items()}


def total_effects(groups: Groups, effects: Mapping[str, float]) -> Floats:
    """Sum of the known effects of each row, in logs, of shape ``[rows]``; an unknown group adds 0."""
    return np.array([sum(effects.get(f"{level}={group}", 0.0) for level, group in row.items()) for row in groups])
