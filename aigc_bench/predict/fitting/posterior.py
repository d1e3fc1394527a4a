"""The posterior of a model's constants given measurements: a hierarchical Gaussian model of logarithms, in closed form.

A predicted quantity is a sum of terms (operators of a stage, parts of a memory peak), each off by a factor, all by another::

    quantity = exp(sum_g w_g u_g) * sum over parts of max over alternatives of sum over terms a_t exp(sum_g h_tg u_g)

Every ``u_g`` is a random effect of a group ``level=name``, drawn from a normal with mean 0 and the level's spread (a standard
deviation of a logarithm): machine, engine, family, class of operator, and their crossings. A crossing that holds a machine speaks
of that machine alone; one that does not carries over to every other. From ``log(measured)`` of n quantities, linearised at the
present effects (Gauss-Newton), the posterior is that of kriging (Rasmussen & Williams 2006, eq. 2.23-2.24), H being the design::

    u = S H' K^-1 (y - f(u) + H u)         K = H S H' + N
    var(r u) = r S r' - r S H' K^-1 H S r'

A group seen once moves little, one seen often moves all the way, one never seen not at all but keeps its whole spread, so
intervals narrow where something was measured and nowhere else. Outliers lose weight (Huber 1964).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Groups = Mapping[str, float]
"""``level=name`` -> weight in a logarithm."""

Z_80 = 1.2815515655446004
"""Standard deviations from the median to either end of an 80 % interval."""
# Gauss-Newton on a nearly linear problem; the rounds also serve the reweighting of outliers.
ROUNDS = 6
HUBER = 2.0
"""Noise deviations beyond which a residual counts less and less."""


class Term(NamedTuple):
    """A summand in the quantity's own unit, and the groups whose effects it is off by."""

    amount: float
    groups: Groups


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """A prediction before its effects: ``parts`` are added, of a part's alternatives the largest counts, terms are added."""

    parts: tuple[tuple[tuple[Term, ...], ...], ...]
    groups: Groups


@dataclass(frozen=True, kw_only=True)
class Observation:
    """A measured quantity of a case; ``noise`` is the standard deviation of its logarithm."""

    quantity: Quantity
    value: float
    noise: float
    case: str


class LogEstimate(NamedTuple):
    """Logarithm of a quantity with its standard deviation, and its derivatives by group."""

    mean: float
    deviation: float
    slopes: dict[str, float]

    @property
    def value(self) -> float:
        """The median."""
        return math.exp(self.mean)

    def interval(self) -> tuple[float, float]:
        """Both ends of the 80 % interval."""
        width = Z_80 * self.deviation
        return math.exp(self.mean - width), math.exp(self.mean + width)


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """Effects after ``observations``; without any it is the prior. ``spreads`` holds the standard deviation of each level."""

    spreads: Mapping[str, float]
    effects: Mapping[str, float] = field(default_factory=dict)
    observations: tuple[Observation, ...] = ()
    _columns: Mapping[str, int] = field(default_factory=dict)
    _design: Floats | None = None
    _inverse: Floats | None = None

    def estimate(self, quantity: Quantity) -> LogEstimate:
        """Return the quantity's logarithm and its uncertainty."""
        mean, slopes = self._linearised(quantity)
        return LogEstimate(mean, self.deviation(slopes), slopes)

    def added(self, estimates: Sequence[LogEstimate]) -> LogEstimate:
        """The sum of quantities that share effects: their errors are correlated as far as they do."""
        # Log-sum-exp: shifted by the largest, so that no exponential overflows.
        largest = max(estimate.mean for estimate in estimates)
        weights = [math.exp(estimate.mean - largest) for estimate in estimates]
        total = sum(weights)
        slopes: dict[str, float] = {}
        for weight, estimate in zip(weights, estimates, strict=True):
            # d log(sum) / du is the mean of the terms' derivatives, weighted by their shares.
            _add(slopes, estimate.slopes, weight / total)
        return LogEstimate(largest + math.log(total), self.deviation(slopes), slopes)

    def deviation(self, slopes: Groups) -> float:
        """Standard deviation of a weighted sum of effects, by the module's formula of ``var(r u)``."""
        # r S r': the prior variance; effects of different groups are independent.
        variance = sum((weight * self._spread(group)) ** 2 for group, weight in slopes.items())
        if self._design is not None and self._inverse is not None:
            # H S r', one entry for each observation; a group that was never observed has no column and keeps its whole spread.
            cross: Floats = np.zeros(len(self._design))
            for group, weight in slopes.items():
                column = self._columns.get(group)
                if column is not None:
                    cross += self._design[:, column] * (weight * self._spread(group) ** 2)
            variance -= float(cross @ self._inverse @ cross)
        # The difference of two nearly equal numbers may round below zero.
        return math.sqrt(max(variance, 0.0))

    def _spread(self, group: str) -> float:
        return self.spreads[group.partition("=")[0]]

    def _linearised(self, quantity: Quantity) -> tuple[float, dict[str, float]]:
        slopes: dict[str, float] = {}
        total = 0.0
        for alternatives in quantity.parts:
            sized = [[(term, term.amount * math.exp(self._effect(term.groups))) for term in terms] for terms in alternatives]
            # The derivative of a maximum is that of its largest alternative.
            largest = max(sized, key=lambda terms: sum(size for _, size in terms))
            for term, size in largest:
                total += size
                # d(a exp(u)) / du = a exp(u): a term's own size, divided by the total below for the logarithm.
                _add(slopes, term.groups, size)
        assert total > 0, "a predicted quantity is above zero"
        slopes = {group: weight / total for group, weight in slopes.items()}
        _add(slopes, quantity.groups, 1.0)
        return math.log(total) + self._effect(quantity.groups), slopes

    def _effect(self, groups: Groups) -> float:
        return sum(weight * self.effects.get(group, 0.0) for group, weight in groups.items())


def fit(observations: Sequence[Observation], *, spreads: Mapping[str, float]) -> Posterior:
    """The posterior of all effects; the order of the observations does not matter.

    Gauss-Newton with Huber's weights (1964); raises ``KeyError`` where ``spreads`` lacks a level.
    """
    posterior = Posterior(spreads=spreads)
    if not observations:
        return posterior
    logs = np.log([observation.value for observation in observations])
    noise = np.array([observation.noise for observation in observations])
    weight = np.ones(len(observations))
    for _ in range(ROUNDS):
        # A weight below 1 is a larger noise: variance / weight.
        posterior = _step(posterior, tuple(observations), logs=logs, variance=noise**2 / weight)
        rest = logs - np.array([posterior.estimate(observation.quantity).mean for observation in observations])
        weight = np.minimum(1.0, HUBER * noise / np.maximum(np.abs(rest), 1e-12))
    return posterior


def _step(posterior: Posterior, observations: tuple[Observation, ...], *, logs: Floats, variance: Floats) -> Posterior:
    """One Gauss-Newton step from the present effects."""
    linear = [posterior._linearised(observation.quantity) for observation in observations]
    columns: dict[str, int] = {}
    for _, slopes in linear:
        for group in slopes:
            columns.setdefault(group, len(columns))
    design: Floats = np.zeros((len(linear), len(columns)))
    for index, (_, slopes) in enumerate(linear):
        for group, weight in slopes.items():
            design[index, columns[group]] = weight
    prior = np.array([posterior._spread(group) ** 2 for group in columns])
    present = np.array([posterior.effects.get(group, 0.0) for group in columns])
    # y - f(u) + H u: what a linear model around the present effects should explain.
    target = logs - np.array([mean for mean, _ in linear]) + design @ present
    # n x n with n observations, of which a user has hundreds; groups are many more. K = H S H' + N.
    inverse: Floats = np.linalg.inv((design * prior) @ design.T + np.diag(variance))
    effects = prior * (design.T @ (inverse @ target))
    return Posterior(
        spreads=posterior.spreads,
        effects=dict(zip(columns, effects.tolist(), strict=True)),
        observations=observations,
        _columns=columns,
        _design=design,
        _inverse=inverse,
    )


def _add(into: dict[str, float], groups: Groups, factor: float) -> None:
    for group, weight in groups.items():
        into[group] = into.get(group, 0.0) + factor * weight
