"""The catalogue: every table of facts, read at its first use, and the look-ups in them.

``load_catalogue()`` costs nothing; ``catalogue.accelerators`` reads one file of 90 rows in about a hundredth of a second.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any, cast

from aigc_bench.catalog import names, regions
from aigc_bench.catalog import records as r
from aigc_bench.catalog.api_facts import ApiDiscount, ApiLatency
from aigc_bench.catalog.cloud_price import CloudPrice
from aigc_bench.catalog.fact import Fact
from aigc_bench.catalog.overrides import Overrides, read_overrides, usable_overrides, user_files
from aigc_bench.catalog.sale import Sale
from aigc_bench.catalog.table_reader import read_cells, read_table
from aigc_bench.catalog.tables import TABLES
from aigc_bench.catalog.transfers import EgressAndStorage
from aigc_bench.core.derivation import Derivation, record
from aigc_bench.core.errors import FileWarning, UnknownNameError
from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate, Record
from aigc_bench.core.units import GIB

# The others are joined into rows or look-ups and have no rows of their own to show.
KINDS = tuple(name for name in TABLES if name not in ("usable_memory", "accelerator_ranges", "aliases", "regions"))
"""The tables whose rows can be looked up by name."""

# Hong Kong, Macau and Taiwan have grids of their own.
_CHINESE_GRIDS = ("ci_CHN", "ci_aws_cn-")
_PUE_METHODS = ("air", "rear_door", "direct_liquid", "immersion")


def load_catalogue(overrides: Sequence[Path] = (), *, with_user_files: bool = True) -> Catalogue:
    """The catalogue with the user's rows: first those of the configuration folder, then these files, the last one wins.

    For answers that rest on the catalogue. Raises ``AigcBenchError`` that lists every mistake in the files of the folder,
    ``UsageError`` for those of ``overrides``, one line each.
    """
    own = user_files() if with_user_files else ()
    # The order decides: later files win, so what a command names goes over the user's folder.
    files = [*own, *overrides]
    return Catalogue(read_overrides(files, own=own) if files else {})


def usable_catalogue() -> Catalogue:
    """The catalogue without those of the user's files that hold a mistake, each named once in a ``FileWarning``.

    For code that only looks up a name or a peak next to a measurement: a mistake in a price list stops no run.
    """
    files = user_files()
    if not files:
        return Catalogue({})
    rows, broken = usable_overrides(files)
    # One note per file: with all its mistakes it would bury the result.
    for lines in broken.values():
        _warn_once(lines[0].rstrip("."), len(lines))
    return Catalogue(rows)


# Once per process: many look-ups load the catalogue.
@cache
def _warn_once(first: str, count: int) -> None:
    more = message(", and {count} more", count=count - 1) if count > 1 else ""
    note = message("{first}{more}: the file is left out; see aigc-bench doctor.", first=first, more=more)
    # Names the caller of the catalogue, not this function.
    warnings.warn(note, FileWarning, stacklevel=3)


class Catalogue:
    """Facts by table and id. Each table is read once, when first used."""

    def __init__(self, overrides: Overrides | None = None) -> None:
        # Nothing is read yet: most commands need few of the tables.
        self._overrides = overrides or {}

    @cached_property
    def accelerators(self) -> Mapping[str, r.AcceleratorSpec]:
        """Accelerators, with the memory their drivers report and the figures on which sources disagree joined in."""
        specs = cast("dict[str, r.AcceleratorSpec]", self._read("accelerators"))
        joined: dict[str, dict[str, Any]] = {}
        for row in self._usable_rows.values():
            # A figure of the user's own row goes before the shipped one of the driver.
            if row.id in specs and specs[row.id].usable_memory_bytes is None and self._is_shipped(row.id, "memory_gib"):
                joined.setdefault(row.id, {})["usable_memory_bytes"] = row.reported_bytes
        for disputed in cast("dict[str, r.AcceleratorRange]", self._read("accelerator_ranges")).values():
            if disputed.id in specs and self._is_shipped(disputed.id, disputed.column):
                column = TABLES["accelerators"].columns[disputed.column]
                bounds = (disputed.low * column.scale, disputed.high * column.scale)
                joined.setdefault(disputed.id, {}).setdefault("ranges", {})[column.field] = bounds
        return {name: spec.model_copy(update=joined[name]) if name in joined else spec for name, spec in specs.items()}

    @cached_property
    def sales(self) -> Mapping[str, Sale]:
        """When and where accelerators are sold, by the accelerator's id."""
        return cast("dict[str, Sale]", self._read("sales"))

    @cached_property
    def servers(self) -> Mapping[str, r.ServerSpec]:
        """Servers and racks."""
        return cast("dict[str, r.ServerSpec]", self._read("servers"))

    @cached_property
    def measured_power(self) -> Mapping[str, r.MeasuredPower]:
        """Wall power of whole servers under load."""
        return cast("dict[str, r.MeasuredPower]", self._read("measured_power"))

    @cached_property
    def power_caps(self) -> Mapping[str, r.PowerCap]:
        """Throughput and draw at several power limits."""
        return cast("dict[str, r.PowerCap]", self._read("power_caps"))

    @cached_property
    def network(self) -> Mapping[str, r.NetworkItem]:
        """Links, NICs, switches, cables."""
        return cast("dict[str, r.NetworkItem]", self._read("network"))

    @cached_property
    def storage(self) -> Mapping[str, r.StorageItem]:
        """Storage devices, systems, cloud services, and what accelerators require of them."""
        return cast("dict[str, r.StorageItem]", self._read("storage"))

    @cached_property
    def cooling(self) -> Mapping[str, r.CoolingFact]:
        """Inlet classes, heat per rack, PUE by system, flow rules."""
        return cast("dict[str, r.CoolingFact]", self._read("cooling"))

    @cached_property
    def power(self) -> Mapping[str, r.PowerFact]:
        """PUE, WUE, efficiencies, electricity prices, colocation."""
        return cast("dict[str, r.PowerFact]", self._read("power"))

    @cached_property
    def carbon(self) -> Mapping[str, r.CarbonFact]:
        """Grid intensity and embodied carbon."""
        return cast("dict[str, r.CarbonFact]", self._read("carbon"))

    @cached_property
    def constants(self) -> Mapping[str, r.Constant]:
        """Planning constants."""
        return cast("dict[str, r.Constant]", self._read("constants"))

    @cached_property
    def cloud_prices(self) -> Mapping[str, CloudPrice]:
        """Rents of instances."""
        return cast("dict[str, CloudPrice]", self._read("cloud_prices"))

    @cached_property
    def api_prices(self) -> Mapping[str, r.ApiPrice]:
        """Prices of commercial APIs."""
        return cast("dict[str, r.ApiPrice]", self._read("api_prices"))

    @cached_property
    def api_latency(self) -> Mapping[str, ApiLatency]:
        """Measured latency of commercial APIs; several rows of one model are a band."""
        return cast("dict[str, ApiLatency]", self._read("api_latency"))

    @cached_property
    def api_discounts(self) -> Mapping[str, ApiDiscount]:
        """What cached input and batches cost of the list price."""
        return cast("dict[str, ApiDiscount]", self._read("api_discounts"))

    @cached_property
    def egress_storage(self) -> Mapping[str, EgressAndStorage]:
        """Traffic and storage of providers."""
        return cast("dict[str, EgressAndStorage]", self._read("egress_storage"))

    @cached_property
    def fx_tax(self) -> Mapping[str, r.ExchangeOrTax]:
        """Dated exchange rates to USD, and VAT rates."""
        return cast("dict[str, r.ExchangeOrTax]", self._read("fx_tax"))

    @cached_property
    def cpus(self) -> Mapping[str, r.CpuSpec]:
        """Server processors."""
        return cast("dict[str, r.CpuSpec]", self._read("cpus"))

    @cached_property
    def vcpu_power(self) -> Mapping[str, r.VcpuPower]:
        """Watts per virtual CPU."""
        return cast("dict[str, r.VcpuPower]", self._read("vcpu_power"))

    @cached_property
    def datasets(self) -> Mapping[str, r.DatasetProfile]:
        """Public data sets as profiles."""
        return cast("dict[str, r.DatasetProfile]", self._read("datasets"))

    @cached_property
    def aliases(self) -> Mapping[str, str]:
        """Other spellings of accelerators (as typed and as published tables print them) -> id."""
        # Reversed scopes put "published" before "any"; the later entry wins, so what users type decides.
        wanted = (alias for alias in self._alias_rows if alias.scope != "driver")
        return {alias.name: alias.accelerator_id for alias in sorted(wanted, key=lambda alias: alias.scope, reverse=True)}

    def rows(self, kind: str) -> Mapping[str, Fact]:
        """All rows of a table; raises ``UnknownNameError`` for a table that there is not."""
        if kind not in KINDS:
            raise UnknownNameError("table", kind, known=KINDS)
        return cast("Mapping[str, Fact]", getattr(self, kind))

    def get(self, kind: str, name: str) -> Fact:
        """One row of a table by id (of accelerators, by any spelling); raises ``UnknownNameError`` with the nearest."""
        if kind == "accelerators":
            return self.accelerator(name)
        rows = self.rows(kind)
        if name not in rows:
            raise UnknownNameError(TABLES[kind].noun, name, known=rows)
        return rows[name]

    def accelerator(self, name: str) -> r.AcceleratorSpec:
        """An accelerator by id, by another spelling (``H100``, a driver's name), or a MIG instance as ``ID@1g.10gb``."""
        spec = names.find(name, specs=self.accelerators, names=self._typed_names) or self.recognise(name)
        if spec is None:
            spec = self.accelerators.get(names.find_by_words(name, names={**self._driver_names, **self._typed_names}) or "")
        if spec is None:
            # difflib takes case for a difference, so the known names get the case of the given one.
            spellings = {text.lower() if name.islower() else text for text in self._typed_spellings}
            raise UnknownNameError("accelerator", name, known={*self.accelerators, *spellings})
        return spec

    def published_accelerator(self, name: str) -> r.AcceleratorSpec | None:
        """The accelerator a table of published results means (its ``A100`` is the 40 GB card), ``None`` if unknown."""
        # Its own spellings first: a published table and a user may mean different cards by one name.
        published = {alias.name: alias.accelerator_id for alias in self._alias_rows if alias.scope == "published"}
        if name in published:
            return self.accelerators[published[name]]
        return names.find(name, specs=self.accelerators, names=self._typed_names)

    def recognise(self, name: str, memory_bytes: int | None = None) -> r.AcceleratorSpec | None:
        """The row of a device as NVML or torch names it; ``None`` if unknown or if its memory contradicts the row."""
        return names.recognise(name, memory_bytes=memory_bytes, specs=self.accelerators, names=self._driver_names)

    def recognise_cpu(self, model_name: str) -> r.CpuSpec | None:
        """The row of a processor as the kernel names it, ``None`` where the name is ambiguous."""
        return names.recognise_cpu(model_name, cpus=self.cpus.values())

    def constant(self, name: str) -> Estimate:
        """A planning constant as an interval with its source; raises ``UnknownNameError`` with the nearest ids."""
        if name not in self.constants:
            raise UnknownNameError("constant", name, known=self.constants)
        # A number of its own at each call, all under one key of explanations.
        row = self.constants[name]
        return record(row.estimate(), Derivation(None, key=f"catalogue.{name}", title=row.name))

    def usable_memory(self, spec: r.AcceleratorSpec) -> Estimate:
        """Bytes a driver offers on that accelerator: as reported, or the nominal size times the share usually seen."""
        if spec.usable_memory_bytes is not None:
            size = float(spec.usable_memory_bytes)
            row = self._usable_rows.get(spec.id)
            # The driver's row is the source only if its figure is the one in use.
            origin: Fact = row if row is not None and row.reported_bytes == spec.usable_memory_bytes else spec
            source = f"{origin.source}, {origin.as_of}"
            return Estimate(value=size, low=size, high=size, unit="B", basis=origin.basis, source=source)
        share = self.constant("driver_visible_memory_fraction")
        # Sources may disagree on the nominal size; without a range both ends are the row's.
        low, high = spec.ranges.get("memory_bytes", (spec.memory_bytes, spec.memory_bytes))
        values = {"value": spec.memory_bytes * share.value, "low": low * share.low, "high": high * share.high}
        return Estimate(
            **values,
            unit="B",
            basis="assumed",
            source=message("{memory:g} GiB nominal x {source}", memory=spec.memory_bytes / GIB, source=share.source),
        )

    def price(self, row: r.AcceleratorSpec | r.ServerSpec | r.NetworkItem) -> Estimate | None:
        """The purchase price in USD as an interval, ``None`` where the catalogue has none."""
        return None if row.price is None else row.price.estimate(spread=self.constant("hardware_price_spread").value)

    def electricity_price(self, region: str | None = None) -> Estimate:
        """Business electricity in USD/kWh; without a region the global mean over the range of large countries."""
        if region is None:
            return self.constant("electricity_price_default")
        found = self._region_row(region, rows=self._electricity_rows, noun=message("region with an electricity price"))
        row = self.power[found]
        estimate = row.estimate(spread=self.constant("electricity_price_spread").value)
        # A large site pays between the commercial and the industrial tariff.
        industrial = regions.industrial_row(found, power=self.power)
        if industrial is None or industrial.value is None or industrial.value >= estimate.low:
            return estimate
        return estimate.model_copy(
            update={"low": industrial.value, "source": message("{source}; low: industrial tariff", source=estimate.source)}
        )

    def grid_intensity(self, region: str | None = None) -> Estimate:
        """Carbon intensity of the grid in gCO2e/kWh, a yearly mean; without a region the global figure with a wide range."""
        if region is None:
            return self.constant("grid_intensity_default")
        found = self._region_row(region, rows=self._grid_rows, noun=message("region with a grid intensity"))
        return self.carbon[found].estimate(spread=self.constant("grid_intensity_spread").value)

    def is_in_china(self, region: str | None) -> bool:
        """Whether a region lies in mainland China, however it is spelt."""
        if region is None:
            return False
        rows = (self._grid_rows.get(regions.slug(region)), self._electricity_rows.get(regions.slug(region)))
        return "el_biz_china" in rows or any((row or "").startswith(_CHINESE_GRIDS) for row in rows)

    def grid_row(self, region: str | None) -> str | None:
        """The id of the row that holds the grid of a region, however it is spelt; ``None`` where the catalogue does not know it."""
        return None if region is None else self._grid_rows.get(regions.slug(region))

    def pue(self, method: str | None = None) -> Estimate:
        """Annual mean PUE by cooling method (``air``, ``rear_door``, ``direct_liquid``, ``immersion``) or of any site."""
        if method is None:
            return self.constant("pue_default")
        if method not in _PUE_METHODS:
            raise UnknownNameError(message("cooling method"), method, known=_PUE_METHODS)
        return self.constant(f"pue_{method}")

    def exchange_rate(self, currency: str) -> Estimate:
        """USD for one unit of a currency: the newest row, between the ends of all its rows; raises ``UnknownNameError``."""
        if currency == "USD":
            return Estimate(
                value=1.0, low=1.0, high=1.0, unit="USD", basis="datasheet", source=message("the currency of the prices")
            )
        rows = [row for row in self.fx_tax.values() if row.kind == "exchange_rate" and row.name == currency]
        if not rows:
            known = {row.name for row in self.fx_tax.values() if row.kind == "exchange_rate"}
            raise UnknownNameError(message("currency"), currency, known=known | {"USD"})
        found = [row.estimate() for row in sorted(rows, key=lambda row: row.as_of)]
        return found[-1].model_copy(update={"low": min(one.low for one in found), "high": max(one.high for one in found)})

    def servers_with(self, accelerator_id: str) -> tuple[r.ServerSpec, ...]:
        """The servers that hold this accelerator, the ones with a price first."""
        found = [server for server in self.servers.values() if server.gpu_id == accelerator_id]
        # False sorts first, and the sort is stable: the file's order stays among equals.
        return tuple(sorted(found, key=lambda server: server.price is None))

    def rents(self, accelerator_id: str) -> tuple[CloudPrice, ...]:
        """Current rents of this accelerator, newest first."""
        rows = self.cloud_prices.values()
        found = [price for price in rows if price.gpu_id == accelerator_id and not price.is_historic]
        # ISO dates sort as texts.
        return tuple(sorted(found, key=lambda price: price.as_of, reverse=True))

    def _read(self, name: str) -> dict[str, Record]:
        table = TABLES[name]
        # A dict keeps the place of a key, so a changed row stays where it was.
        return read_table(table, {**read_cells(table), **self._overrides.get(name, {})}.values())

    def _is_shipped(self, accelerator_id: str, column: str) -> bool:
        """Whether the accelerator's figure is the shipped one, so that corrections made for that figure still apply."""
        own = self._overrides.get("accelerators", {}).get(accelerator_id)
        return own is None or own.get(column) == read_cells(TABLES["accelerators"]).get(accelerator_id, {}).get(column)

    @cached_property
    def _usable_rows(self) -> Mapping[str, r.UsableMemory]:
        return cast("dict[str, r.UsableMemory]", self._read("usable_memory"))

    @cached_property
    def _alias_rows(self) -> tuple[r.Alias, ...]:
        return tuple(cast("dict[str, r.Alias]", self._read("aliases")).values())

    @cached_property
    def _typed_names(self) -> Mapping[str, str]:
        return self._names("any")

    @cached_property
    def _driver_names(self) -> Mapping[str, str]:
        return self._names("driver")

    def _names(self, scope: str) -> Mapping[str, str]:
        return names.index(self.accelerators.values(), aliases=self._alias_rows, scopes=(scope,))

    @property
    def _typed_spellings(self) -> Iterator[str]:
        return (alias.name for alias in self._alias_rows if alias.scope == "any")

    @cached_property
    def _electricity_rows(self) -> Mapping[str, str]:
        return regions.electricity_rows(self.power.values(), aliases=self._region_aliases)

    @cached_property
    def _grid_rows(self) -> Mapping[str, str]:
        return regions.grid_rows(self.carbon.values(), aliases=self._region_aliases)

    @cached_property
    def _region_aliases(self) -> tuple[r.RegionAlias, ...]:
        return tuple(cast("dict[str, r.RegionAlias]", self._read("regions")).values())

    def _region_row(self, region: str, *, rows: Mapping[str, str], noun: str) -> str:
        found = rows.get(regions.slug(region))
        if found is None:
            raise UnknownNameError(noun, region, known=rows)
        return found
