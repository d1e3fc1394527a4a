"""The accelerator that a table's ``gpu`` column means: a spelling of the catalogue, a driver's name, or ``@RUN``.

Tables print more than a name: memory, watts, code names, board makers. What is no part of any known name is left out word by word,
and the nearest variant answers with the caution ``variant_assumed``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from aigc_bench.catalog.loader import Catalogue
from aigc_bench.catalog.names import OTHER_CARDS, key
from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.errors import AigcBenchError, UnknownNameError
from aigc_bench.core.messages import message
from aigc_bench.core.units import GIB
from aigc_bench.predict.closed_form.columns import NotPredictable
from aigc_bench.predict.machine_card import accelerator_at

VARIANT_ASSUMED = "variant_assumed"
"""The table names a variant that the catalogue does not have, and the nearest one answers."""

_REMARK = re.compile(r"\[[^\]]*\]|\(([^)]*)\)")
# A part of a card is no variant of it.
_PART_OF_A_CARD = re.compile(r"\b\d+ ?(gcd|die|chiplet)s?\b", re.IGNORECASE)
_VARIANT_WORD = re.compile(r"\d+(gb?|gib|w)|hbm\d[a-z]?|gddr\d[a-z]?|lpddr\d[a-z]?|gpu|server|turbo|dual|oc")
"""Words that tell variants of one chip apart, or nothing: memory, watts, memory's kind, a board maker's trim."""
_MEMORY = re.compile(r"(\d+)(?:gb?|gib)")


def machine_named(name: str, *, catalogue: Catalogue) -> AcceleratorSpec:
    """The accelerator; raises ``NotPredictable`` with the nearest names, or with what the run of an ``@RUN`` lacks."""
    if name.startswith("@"):
        try:
            return accelerator_at(name, catalogue=catalogue)
        except AigcBenchError as problem:
            raise NotPredictable(problem.message) from None
    found = exactly_named(name, catalogue=catalogue) or nearest_variant(name, catalogue=catalogue)
    if found is not None:
        return found
    try:
        return catalogue.accelerator(name)
    except UnknownNameError as problem:
        has_near = (problem.hint or "").startswith("Did you mean")
        hint = problem.hint if has_near else message("A machine of your own is @RUN, a run that holds its probes.")
        raise NotPredictable(f"{problem.message} {hint}") from None


def exactly_named(name: str, *, catalogue: Catalogue) -> AcceleratorSpec | None:
    """The accelerator with this spelling, ``None`` where there is none."""
    return catalogue.published_accelerator(name) or catalogue.recognise(name)


def variant_caution(name: str, *, catalogue: Catalogue) -> tuple[str, ...]:
    """The caution of a name that is answered by a variant; nothing for a name that is known as it stands."""
    return () if name.startswith("@") or exactly_named(name, catalogue=catalogue) else (VARIANT_ASSUMED,)


def nearest_variant(name: str, *, catalogue: Catalogue) -> AcceleratorSpec | None:
    """The accelerator whose name is left when remarks and words of variants go; of several, the one of the nearest memory."""
    if _PART_OF_A_CARD.search(name):
        return None
    # "V100/A100" states one figure for both: the first answers.
    if "/" in name and (first := exactly_named(name.split("/")[0], catalogue=catalogue)):
        return first
    for words in _shorter(_REMARK.sub(" ", name)):
        exact = exactly_named(words, catalogue=catalogue)
        if exact is not None:
            return exact
        # "RTX PRO 6000 Blackwell" is sold as a server and as a workstation card, and "M2 Ultra" is Apple's.
        longer = [spec for spec in catalogue.accelerators.values() if _is_variant(key(spec.name), words)]
        if longer and len(words.split()) > 1:
            return min(longer, key=lambda spec: abs(spec.memory_bytes / GIB - _memory_gib(name, otherwise=spec)))
    return None


def _is_variant(name: str, words: str) -> bool:
    """Whether the words stand in a row's name, and what else it says makes no other card of them."""
    return f" {words} " in f" {name} " and not OTHER_CARDS & (set(name.split()) - set(words.split()))


def _memory_gib(name: str, *, otherwise: AcceleratorSpec) -> float:
    found = _MEMORY.search(key(name).replace(" ", ""))
    return float(found[1]) if found else otherwise.memory_bytes / GIB


def _shorter(name: str) -> Iterator[str]:
    """The bare words of a name, first all, then without those of variants, the last first."""
    words = key(name).split()
    yield " ".join(words)
    for place in range(len(words) - 1, 0, -1):
        if _VARIANT_WORD.fullmatch(words[place]):
            words.pop(place)
            yield " ".join(words)
