"""The closed form of a step: seconds, watts and joules, bytes, from terms that are times at the datasheet's peaks.

    busy      (compute (+) memory) + vector + (decoder's compute (+) decoder's memory)      (+) is the soft maximum
    seconds   sqrt(busy^2 + (launches / 2)^2) + 0.3 launches + reduced + exchanged
    watts     min(limit, idle + (TDP - idle) (waiting + (drawn - waiting) busy / seconds)), and of a server see ``wall_power``
    bytes     state + kept activations + context

Efficiencies are shares: no fit makes a device faster than its datasheet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from aigc_bench.predict.closed_form import step_rows

Floats = NDArray[np.float64]
Columns = Mapping[str, Floats]

_STEP_SOFT = 1.5
"""Exponent of the soft maximum of a whole step, in which some operators are bound by compute and some by memory."""
_DECODER_SOFT = 4.0
"""The same of one decoder step, which is nearly always bound by memory: 4 lies within 19 % of the sharp maximum."""
_LIMIT_SOFT = 12.0
"""Exponent of the soft minimum of the watts that a device asks for and those that it may draw."""
REFERENCE_BANDWIDTH = 3.35e12
"""Bytes/s of the device on which launch constants are quoted (H100)."""
CONTEXT_BYTES = 1.0e9
"""Bytes of a device's context, libraries and workspaces (cuBLAS, cuDNN), 0.5 to 1.5 GB in practice (assumed)."""

LARGEST: Mapping[str, float] = {
    # The best public matrix products reach 0.8 to 0.85 of the dense peak (reference GEMM tables); copies 0.92 of the bandwidth.
    "compute_efficiency": 0.85, "memory_efficiency": 0.95, "unfused": 1.0, "drawn": 1.0, "waiting": 1.0, "kept": 1.0,
    "power_exponent": 1.0,
}  # fmt: skip
"""The kinds of constants that cannot be above one, and the most that each can be."""


def priors() -> Iterator[tuple[str, tuple[float, float]]]:
    """Constant -> (typical value, spread of its logarithm)."""
    yield "waiting", (0.15, 0.5)
    yield "host", (1.0, 0.3)
    for family in step_rows.FAMILIES:
        yield f"compute_efficiency.{family}", (0.5, 0.3)
        yield f"memory_efficiency.{family}", (0.75, 0.2)
        yield f"unfused.{family}", (0.5, 0.5)
        yield f"vector_share.{family}", (0.3 if family.startswith("diffusion") or family.endswith("eager") else 0.1, 0.8)
        yield f"drawn.{family}", (0.85, 0.2)
        # A GAN's kernels filter and activate in one pass, and keep a sign of each value.
        yield f"kept.{family}", (0.1 if family == "gan" else 0.5, 0.5)
        yield f"exchange.{family}", (1.2, 0.6)
        yield f"overlap.{family}", (0.5, 0.6)
        yield f"power_exponent.{family}", (0.5, 0.3)
        yield f"launch_exponent.{family}", (0.3, 0.5)
    for engine in step_rows.ENGINES:
        yield f"launch_s.{engine}", (6e-6, 0.8)


def log_quantity(c: Columns, k: Mapping[str, float]) -> Floats:
    """The natural logarithm of each row's quantity: seconds, joules over the TDP, watts over the TDP, watts at the wall, bytes, or
    the seconds of a bound."""

    def of(prefix: str) -> Floats:
        return constant_of_each(c["family"], step_rows.FAMILIES, prefix, k)

    total, busy = seconds(c, k)
    # Of the time that is not busy the device waits for its host, with its clocks up.
    asked = c["idle_share"] + (1 - c["idle_share"]) * (k["waiting"] + np.maximum(of("drawn") - k["waiting"], 0.0) * busy / total)
    drawn = (asked**-_LIMIT_SOFT + np.maximum(c["limit_share"], c["idle_share"]) ** -_LIMIT_SOFT) ** (-1 / _LIMIT_SOFT)
    wall = (c["devices"] * c["tdp_w"] * drawn + k["host"] * c["host_w"]) / c["psu_efficiency"]
    kept = c["state_bytes"] + of("kept") * c["kept_bytes"] + CONTEXT_BYTES
    chosen = np.choose(c["aspect"].astype(int), [total, total * drawn, drawn, wall, kept, c["bound_s"]])
    logs: Floats = np.log(chosen)
    return logs


def seconds(c: Columns, k: Mapping[str, float]) -> tuple[Floats, Floats]:
    """Seconds of one step and those in which the device is busy, of the shape of the columns, ``[rows]``."""

    def of(prefix: str) -> Floats:
        return constant_of_each(c["family"], step_rows.FAMILIES, prefix, k)

    speed = c["power_share"] ** of("power_exponent")
    compute, memory = of("compute_efficiency") * speed, of("memory_efficiency")
    moved = c["memory"] + of("unfused") * c["pointwise"]
    main = soft_maximum(c["compute"] / compute, moved / memory, power=_STEP_SOFT) + c["vector"] * of("vector_share") / speed
    decoder = soft_maximum(c["decoder_compute"] / compute, c["decoder_memory"] / memory, power=_DECODER_SOFT)
    busy = main + decoder
    slower = (REFERENCE_BANDWIDTH / c["bandwidth"]) ** of("launch_exponent")
    launch_s = constant_of_each(c["engine"], step_rows.ENGINES, "launch_s", k) * slower
    launches = c["depth"] * launch_s
    # Launches hide behind a busy device (root of squares), 30 % of them never do; 0.5 and 0.3 are fixed, not fitted.
    total = (
        np.sqrt(busy**2 + (0.5 * launches) ** 2) + 0.3 * launches + c["reduced"] * of("overlap") + c["exchanged"] * of("exchange")
    )
    return total, busy


def roofline_log(c: Columns) -> Floats:
    """The logarithm of the least seconds at the datasheet's peaks: arithmetic alone.

    Bytes of activations are no bound: a kernel that fuses two operators moves fewer. Aspects without a bound have minus infinity.
    """
    least = np.maximum(c["compute"] + c["decoder_compute"], 1e-30)
    logs: Floats = np.where(c["is_bounded"] > 0, np.log(least), -np.inf)
    return logs


def constant_of_each(index: Floats, names: Sequence[str], prefix: str, constants: Mapping[str, float]) -> Floats:
    """Return each row's own constant: ``index`` holds its engine's or family's place in ``names``."""
    values: Floats = np.array([constants[f"{prefix}.{name}"] for name in names])[index.astype(int)]
    return values


def soft_maximum(first: Floats, second: Floats, *, power: float) -> Floats:
    """Return the ``power``-norm of two times: their maximum where they overlap wholly, more where they are about equal."""
    total: Floats = (first**power + second**power) ** (1 / power)
    return total
