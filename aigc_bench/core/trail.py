"""Hold the derivation of numbers: steps with their inputs, by key, as the numbers' own graph has them (``core.derivation``).

A step is computed (it has a formula and the keys of its inputs) or a leaf (it has a source). Keys of a plan are the paths of
``plan --json``: list entries by name, options by rank, parts from 1: ``options.1.factors.power.required``. A number is found again
as the object that it is, or by the key that its computation recorded; never by its value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from aigc_bench.core.arithmetic import evaluate, in_words, substituted
from aigc_bench.core.derivation import SAME as IDENTITY
from aigc_bench.core.derivation import Derivation, derivation_of
from aigc_bench.core.messages import message
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Estimate, Record

SAME = message("the same number")
PRODUCT = "{0} * {1}"


class Step(Record):
    """A number with its formula and the keys of its inputs, or with the source that it is taken from.

    ``arithmetic`` is the formula over the inputs by number (``core.arithmetic``); ``None`` if it has none, such as a queue
    or Monte Carlo scenarios.
    """

    key: str
    title: Sentence
    value: Estimate
    formula: Sentence | None = None
    arithmetic: str | None = None
    source: Sentence | None = None
    inputs: tuple[str, ...] = ()


class _Known(NamedTuple):
    """A number under its key, before its step is made. ``at`` is the option that it belongs to, empty for the whole plan.

    ``is_end``: a number of an option that this trail does not hold, which is named but not derived.
    """

    title: Sentence
    value: Estimate
    at: str
    source: Sentence | None
    is_end: bool = False


class Trail:
    """Hold steps by key: first every number is added, then ``link`` makes the steps from their derivations."""

    def __init__(self) -> None:
        self.steps: dict[str, Step] = {}
        self._known: dict[str, _Known] = {}
        # By id(): unique while the object lives, and ``_known`` with the derivations keeps every number alive.
        self._keys: dict[tuple[str, int], str] = {}

    @classmethod
    def of(cls, steps: Iterable[Step]) -> Trail:
        """Return the trail of steps that were made before."""
        trail = cls()
        trail.steps = {step.key: step for step in steps}
        trail._known = {step.key: _Known(step.title, step.value, "", step.source) for step in trail.steps.values()}
        return trail

    def __contains__(self, key: str) -> bool:
        return key in self._known

    def __getitem__(self, key: str) -> Step:
        if key not in self.steps:
            self.steps[key] = self._step(key, self._known[key])
        return self.steps[key]

    def __iter__(self) -> Iterator[str]:
        # A copy: making a step can add keys of its inputs.
        return iter(tuple(self._known))

    def add(
        self, key: str, title: str, value: Estimate, *, at: str = "", source: str | None = None, is_shared: bool = False
    ) -> str:
        """Add a number under its key and return the key; ``source`` is where a leaf without a source comes from.

        ``at`` is the place whose numbers it is computed from; one that ``is_shared`` is found from all other places, too.
        """
        if key not in self._known:
            self._known[key] = _Known(title, value, at, source)
            self._remember(value, key, "" if is_shared else at)
        return key

    def link(self) -> None:
        """Make the step of every number; inputs that have no key yet are added below the number that uses them."""
        # Rounds, because the steps of one round add inputs that need steps of their own.
        waiting: list[str] = list(self._known)
        while waiting:
            for key in waiting:
                self[key]
            waiting = [key for key in self._known if key not in self.steps]

    def recomputed(self, key: str) -> float | None:
        """Return the number as its arithmetic gives it from the values of its inputs; ``None`` if it has none."""
        step = self[key]
        return None if step.arithmetic is None else evaluate(step.arithmetic, [self[one].value.value for one in step.inputs])

    def starting(self, *prefixes: str) -> list[str]:
        """Return the keys that begin with one of the prefixes."""
        return [key for key in self._known if key.startswith(prefixes)]

    def reach(self, keys: Iterable[str]) -> dict[str, Step]:
        """Return the steps of these keys and of everything that they are derived from."""
        found: dict[str, Step] = {}
        waiting = list(keys)
        while waiting:
            key = waiting.pop()
            if key not in found and key in self:
                found[key] = self[key]
                waiting += found[key].inputs
        return dict(sorted(found.items()))

    def _remember(self, value: Estimate, key: str, at: str) -> None:
        """Find the number, and those that it restates, by this key: in its option, and in the option that it is a part of."""
        if ("", id(value)) not in self._keys:  # numbers of the whole plan keep their own keys in every option
            for scope in dict.fromkeys((at, at.partition(".parts.")[0])):
                self._keys.setdefault((scope, id(value)), key)
        found = derivation_of(value)
        # A restated number is the same number: whoever uses either finds this key.
        if found is not None and found.arithmetic == IDENTITY and isinstance(found.inputs[0], Estimate):
            self._remember(found.inputs[0], key, at)

    def _find(self, value: Estimate, at: str) -> str | None:
        """Return the key of a number: as an object, else by the key that its computation recorded, which is added if it is new."""
        for scope in (at, ""):
            if (scope, id(value)) in self._keys:
                return self._keys[scope, id(value)]
        found = derivation_of(value)
        if found is None or found.key is None:
            return None
        key = f"{at}{found.key}" if found.key.startswith(".") else found.key
        title = found.title or found.key.rpartition(".")[2].replace("_", " ")
        if found.key.startswith("options.") and key not in self._known:
            self._known[key] = _Known(
                title, value, "", message("continue with aigc-bench plan DEMAND --explain {key}", key=key), is_end=True
            )
        return self.add(key, title, value, at=at if found.key.startswith(".") else "")

    def _step(self, key: str, known: _Known) -> Step:
        """Return the step of a number: the same as another one, computed, or a leaf."""
        if known.is_end:
            return Step(key=key, title=known.title, value=known.value, source=known.source)
        node, formula, found = known.value, None, derivation_of(known.value)
        first = self._find(known.value, known.at)
        if first is not None and first != key:
            return self._same(key, known, first, formula=None)
        # Names and sources wrap a number several times; go down to where it was computed.
        while found is not None:
            formula = formula or found.formula
            inner = found.inputs[0] if found.arithmetic == IDENTITY else None
            if not isinstance(inner, Estimate):
                break
            other = self._find(inner, known.at)
            if other is not None and other != key:
                return self._same(key, known, other, formula=formula)
            node, found = inner, derivation_of(inner)
        if found is None or not found.inputs:
            source = known.value.source or node.source or known.source
            return Step(key=key, title=known.title, value=known.value, source=source)
        return self._computed(key, known, found, formula=formula)

    def _same(self, key: str, known: _Known, other: str, *, formula: str | None) -> Step:
        return Step(key=key, title=known.title, value=known.value, formula=formula or SAME, arithmetic=IDENTITY, inputs=(other,))

    def _computed(self, key: str, known: _Known, found: Derivation, *, formula: str | None) -> Step:
        inputs: list[str] = []
        words = self._expanded(found, key, known.at, inputs)
        titles = [self._known[one].title for one in inputs]
        return Step(
            key=key,
            title=known.title,
            value=known.value,
            formula=formula or (in_words(words, titles) if words else known.value.source),
            arithmetic=words,
            inputs=tuple(inputs),
        )

    def _expanded(self, found: Derivation, key: str, at: str, inputs: list[str]) -> str | None:
        """Return the arithmetic over numbers with keys, which are added to ``inputs``; unnamed results between are written out."""
        parts = tuple(self._part(one, key, at, inputs) for one in found.inputs)
        if found.arithmetic is None:
            return None
        if found.arithmetic == PRODUCT and isinstance(found.inputs[1], float | int):
            factor = found.inputs[1]
            # "/ 3600" reads as the formula does, "* 0.000277778" does not; nor is 1 / 3516.853 a number that one looks up.
            inverse = float(f"{1 / factor:.8g}") if 0 < factor < 1 else 0.0
            # A change of unit alone is no step.
            if factor == 1:
                return parts[0]
            if inverse and abs(inverse * factor - 1) < 1e-12:
                return substituted("{0} / {1}", (parts[0], f"{inverse:.8g}" if inverse < 1e8 else f"{inverse:.0f}"))
        return substituted(found.arithmetic, parts)

    def _part(self, one: Estimate | float, key: str, at: str, inputs: list[str]) -> str:
        """Return an input as an expression: a constant, the place of a number with a key, or what it is computed from."""
        if not isinstance(one, Estimate):
            # Doubles hold whole numbers exactly up to 9e15. float() first: the repr of a NumPy number is no arithmetic.
            return f"{one:.0f}" if abs(one) < 1e15 and one == round(one) else repr(float(one))
        found, name = derivation_of(one), self._find(one, at)
        # A result without a name is written out in the formula of what uses it.
        if name is None and found is not None and found.arithmetic is not None:
            return self._expanded(found, key, at, inputs) or ""
        if name is None or name == key:
            title = found.title if found is not None and found.title else one.source
            name = self.add(f"{key}.input_{len(inputs) + 1}", title or message("input in {unit}", unit=one.unit), one, at=at)
        if name not in inputs:
            inputs.append(name)
        return f"{{{inputs.index(name)}}}"


def slug(name: str) -> str:
    """Return a name as a part of a key."""
    return name.replace(",", "").replace(" ", "_").replace(".", "_")
