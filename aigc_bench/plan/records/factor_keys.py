"""The keys that factors add to a demand file: to the demand itself, to its ``[site]`` and to its ``[colocation]``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from aigc_bench.core import registry
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Estimate
from aigc_bench.plan.records.demand import CoolingMethod, Site
from aigc_bench.plan.records.machine import Machine

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue

IN_SI: Mapping[str, tuple[str, float]] = {"kW": ("W", 1e3), "Gbit/s": ("bit/s", 1e9), "TB": ("B", 1e12), "GB/s": ("B/s", 1e9)}
"""Unit of a demand file -> the unit in which a plan has it, and how many of these it is."""


@dataclass(frozen=True, kw_only=True)
class AmountKey:
    """One amount of a demand file: its name there, its title in a plan, its meaning, its unit and the range that it takes.

    A plan has it under ``field`` in SI units; without a field by its name and in the unit of the file.
    """

    name: str
    title: Sentence
    meaning: Sentence
    unit: str
    low: float
    high: float
    is_zero_allowed: bool = False
    field: str = ""

    @property
    def stored_as(self) -> str:
        """Return the name in ``of_factors``, which is the number's key in a plan, too."""
        return self.field or self.name

    @property
    def stored_unit(self) -> str:
        """Return the unit in a plan."""
        return self._stored[0]

    @property
    def scale(self) -> float:
        """Return how many of a plan's units one of the file's is."""
        return self._stored[1]

    @property
    def _stored(self) -> tuple[str, float]:
        return IN_SI.get(self.unit, (self.unit, 1.0)) if self.field else (self.unit, 1.0)


@dataclass(frozen=True, kw_only=True)
class DemandKey(AmountKey):
    """A key at the top of the file, stored in ``Demand.of_factors``; ``default`` returns its value where it is not stated."""

    default: Callable[[Catalogue], Estimate | None] | None = None


@dataclass(frozen=True, kw_only=True)
class SiteKey(AmountKey):
    """A key of ``[site]``, stored in ``Site.of_factors``.

    ``default`` returns its value at a site that does not state it; without one, a value that is not stated is unknown. A
    provider's building has none of what is ``only_own``.
    """

    only_own: bool = False
    default: Callable[[Catalogue, Site], Estimate | None] | None = None


@dataclass(frozen=True, kw_only=True)
class ColocationKey(AmountKey):
    """A key of ``[colocation]``, stored in ``Colocation.of_factors``: it applies there ``instead_of`` amounts of the site.

    Without ``instead_of`` these are the site's amount of the same name. ``holds`` returns whether it concerns a machine, by default
    every one. ``default`` returns its value for the cooling method of the racks, ``None`` where that is each server's own.
    """

    instead_of: tuple[str, ...] = ()
    holds: Callable[[Machine], bool] | None = None
    default: Callable[[Catalogue, CoolingMethod | None], Estimate | None] | None = None

    @property
    def replaces(self) -> tuple[str, ...]:
        """Return the names of the site's amounts that do not apply in a colocation."""
        return self.instead_of or (self.stored_as,)


def offered(key: SiteKey, *, meaning: Sentence, **changes: Any) -> ColocationKey:
    """Return the key under which a colocation offers what limits a site: the same amount, with a meaning of its own."""
    shared = {field.name: getattr(key, field.name) for field in fields(AmountKey)}
    return ColocationKey(**{**shared, "meaning": meaning, **changes})


def demand_keys() -> tuple[DemandKey, ...]:
    """Return the keys that registered factors add to the top of a demand file."""
    return tuple(_declared("demand_keys"))


def site_keys() -> tuple[SiteKey, ...]:
    """Return the keys that registered factors add to a site."""
    return tuple(_declared("site_keys"))


def colocation_keys() -> tuple[ColocationKey, ...]:
    """Return the keys that registered factors add to a colocation; one that is two numbers of a plan is there twice."""
    return tuple(_declared("colocation_keys"))


def title_of_key(owner: str, stored_as: str) -> Sentence | None:
    """Return the title of an amount of ``demand``, ``site`` or ``colocation`` that a factor declares; ``None`` for any other."""
    keys: Mapping[str, Callable[[], tuple[AmountKey, ...]]] = {
        "demand": demand_keys, "site": site_keys, "colocation": colocation_keys
    }  # fmt: skip
    if owner not in keys:
        return None
    return next((key.title for key in keys[owner]() if key.stored_as == stored_as), None)


def _declared(table: str) -> Iterator[Any]:
    for name in registry.names("factors"):
        yield from getattr(registry.load("factors", name), table)
