"""Hold the derivation of a plan's numbers: steps with their inputs, by key.

A step is computed (it has a formula and the keys of its inputs) or a leaf (it has a source). Keys are the paths of
``plan --json``: list entries by name, options by rank, parts from 1: ``options.1.factors.power.required``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from aigc_bench.core.records import Basis, Estimate, Record
from aigc_bench.plan.explain.arithmetic import evaluate, places

COUNTED: Basis = "modelled"
"""Basis of whole numbers that the plan counts."""
SAME = "the same number"


class Step(Record):
    """A number with its formula and the keys of its inputs, or with the source that it is taken from.

    ``arithmetic`` is the formula over the inputs by number (``plan.explain.arithmetic``); ``None`` if it has none, such as a queue
    or Monte Carlo scenarios.
    """

    key: str
    title: str
    value: Estimate
    formula: str | None = None
    arithmetic: str | None = None
    source: str | None = None
    inputs: tuple[str, ...] = ()


class Trail:
    """Hold steps by key. A number with the same ends, unit and source as an existing one is that number."""

    def __init__(self, steps: Iterable[Step] = ()) -> None:
        self.steps: dict[str, Step] = {}
        self._same: dict[tuple[float, float, float, str, str | None], str] = {}
        for step in steps:
            self._add(step)

    def __contains__(self, key: str) -> bool:
        return key in self.steps

    def __getitem__(self, key: str) -> Step:
        return self.steps[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.steps)

    def leaf(self, key: str, title: str, value: Estimate, *, source: str | None = None) -> str:
        """Add a number that is taken from a source and return its key."""
        return self._add(Step(key=key, title=title, value=value, source=source or value.source))

    def computed(
        self, key: str, title: str, value: Estimate, *, formula: str, inputs: Iterable[str], arithmetic: str | None = None
    ) -> str:
        """Add a number that is derived from others and return its key; inputs that are not in the trail are skipped.

        ``arithmetic`` numbers the inputs in their order; it is dropped if one that it uses is not in the trail.
        """
        given = list(inputs)
        known = tuple(dict.fromkeys(one for one in given if one in self.steps and one != key))
        if not known:
            return self.leaf(key, title, value, source=value.source or formula)
        step = Step(
            key=key, title=title, value=value, formula=formula, inputs=known, arithmetic=_renumbered(arithmetic, given, known)
        )
        return self._add(step)

    def same(self, key: str, title: str, value: Estimate, *, as_: str) -> str:
        """Add a number that also exists under another key."""
        return self.computed(key, title, value, formula=SAME, inputs=(as_,), arithmetic="{0}")

    def fed(self, key: str, inputs: Mapping[str, Estimate]) -> tuple[str, ...]:
        """Return the keys of named inputs: of known numbers, else of new leaves below ``key``."""
        return tuple(
            self.known(value) or self.leaf(f"{key}.{slug(name)}", name, value)
            for name, value in inputs.items()
        )  # fmt: skip

    def known(self, value: Estimate) -> str | None:
        """Return the key of the same number, or ``None``."""
        return self._same.get(_sameness(value))

    def recomputed(self, key: str) -> float | None:
        """Return the number as its arithmetic gives it from the values of its inputs; ``None`` if it has none."""
        step = self.steps[key]
        if step.arithmetic is None:
            return None
        return evaluate(step.arithmetic, [self.steps[one].value.value for one in step.inputs])

    def starting(self, *prefixes: str) -> list[str]:
        """Return the keys that begin with one of the prefixes."""
        return [key for key in self.steps if key.startswith(prefixes)]

    def reach(self, keys: Iterable[str]) -> dict[str, Step]:
        """Return the steps of these keys and of everything that they are derived from."""
        found: dict[str, Step] = {}
        waiting = list(keys)
        while waiting:
            key = waiting.pop()
            if key not in found and key in self.steps:
                found[key] = self.steps[key]
                waiting += self.steps[key].inputs
        return dict(sorted(found.items()))

    def _add(self, step: Step) -> str:
        if step.key not in self.steps:
            self.steps[step.key] = step
            if step.value.value:
                self._same.setdefault(_sameness(step.value), step.key)
        return step.key


def slug(name: str) -> str:
    """Return a name as a part of a key."""
    return name.replace(",", "").replace(" ", "_").replace(".", "_")


def counted(number: float, unit: str, source: str) -> Estimate:
    """Return a whole number that a plan counts, as an Estimate."""
    return Estimate(value=number, low=number, high=number, unit=unit, basis=COUNTED, source=source)


def _renumbered(arithmetic: str | None, given: Sequence[str], known: Sequence[str]) -> str | None:
    """Return the expression over the inputs that are left, each once; ``None`` if one that it uses is gone."""
    if arithmetic is None or any(given[place] not in known for place in places(arithmetic)):
        return None
    return re.sub(r"\{(\d+)\}", lambda found: f"{{{known.index(given[int(found[1])])}}}", arithmetic)


def _sameness(value: Estimate) -> tuple[float, float, float, str, str | None]:
    return value.value, value.low, value.high, value.unit, value.source
