"""Which row holds the electricity price and the grid of a region, however the region is spelt."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from aigc_bench.catalog.records import Quantity, RegionAlias

_ELECTRICITY = ("electricity_business", "electricity_us_commercial")
# Kinds of rows in carbon.csv that state a grid; others there are embodied carbon.
_GRID = ("grid_country", "grid_us_state", "grid_cloud_region")
_AMBIGUOUS = {"georgia"}
"""Names of a country and of a US state; the state is ``us-georgia``."""


def slug(region: str) -> str:
    """A region in lower case with hyphens, without what stands in brackets: ``Germany``, ``us-new-york``."""
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"\(.*?\)", " ", region.lower())).strip("-")


def electricity_rows(power: Iterable[Quantity], *, aliases: Iterable[RegionAlias]) -> dict[str, str]:
    """Slug -> id of the row with its electricity price."""
    rows = _named(power, kinds=_ELECTRICITY, state_kind="electricity_us_commercial")
    return rows | {alias.id: alias.power_id for alias in aliases if alias.power_id}


def grid_rows(carbon: Iterable[Quantity], *, aliases: Iterable[RegionAlias]) -> dict[str, str]:
    """Slug -> id of the row with its grid intensity."""
    rows = _named(carbon, kinds=_GRID, state_kind="grid_us_state")
    return rows | {alias.id: alias.carbon_id for alias in aliases if alias.carbon_id}


def industrial_row(row_id: str, *, power: Mapping[str, Quantity]) -> Quantity | None:
    """Return the industrial tariff next to a US state's commercial one: the lowest price that a large site can expect."""
    return power.get(row_id.replace("el_us_com_", "el_us_ind_")) if row_id.startswith("el_us_com_") else None


def _named(rows: Iterable[Quantity], *, kinds: tuple[str, ...], state_kind: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for row in rows:
        if row.kind not in kinds:
            continue
        name = slug(row.name)
        if row.kind == state_kind:
            found[f"us-{name}"] = row.id
        # A state is also found without "us-", unless a country has its name.
        if row.kind != state_kind or name not in _AMBIGUOUS:
            found.setdefault(name, row.id)
        if row.kind == "grid_country":
            # Countries have ISO 3166 codes in their ids (ci_DEU), which people type, too.
            found[row.id.removeprefix("ci_").lower()] = row.id
    return found
