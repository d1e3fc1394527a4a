"""Price lists of rented accelerators as rows of ``cloud_prices``: SkyPilot's, gpuhunt's, and one of the user's own.

SkyPilot's catalogue has one file per provider (``vms.csv``), a row per instance, region and zone; gpuhunt's one file per provider,
a row per instance, region and kind of rent. Neither names its provider or its day in the rows. A list of the user's own::

    provider,accelerator,count,usd_per_hour,term,region,instance,kind,min_count,interconnect,as_of,source
    nebius,H200,8,28.00,on_demand,eu-north1,gpu-h200-sxm_8gpu,provider,,InfiniBand,2026-11-20,price page

``provider``, ``accelerator`` and ``usd_per_hour`` (of the whole instance) are required. Zones of a region become one row at their
median price: which zone has room is not known when one plans. No row is passed over without a reason.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import get_args

from aigc_bench.catalog.cloud_price import CloudTerm
from aigc_bench.catalog.names import find_listed
from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.numbers import Commas, parse_number
from aigc_bench.core.table_file import Row, TableFile, read_table

TERMS: tuple[CloudTerm, ...] = get_args(CloudTerm)
KINDS = ("provider", "broker", "marketplace", "from", "index")
OWN_COLUMNS = (
    "provider", "accelerator", "count", "usd_per_hour", "term", "region", "instance", "kind", "min_count", "interconnect", "as_of",
    "source",
)  # fmt: skip
ROW_COLUMNS = (
    "id", "kind", "provider", "region", "instance", "gpu_id", "gpu_label", "gpu_count", *(f"{term}_usd_per_h" for term in TERMS),
    "min_count", "interconnect", "source", "as_of", "confidence", "note",
)  # fmt: skip
"""The columns of the file that is written: ``cloud_prices`` of the catalogue."""
_MARKETPLACES = ("vast", "vast.ai", "akash", "tensordock", "salad")
_BROKERS = ("shadeform", "primeintellect", "vastdata", "spheron")
_LARGEST_RENT = 10_000.0
"""USD of one accelerator and hour: more is a price in another unit."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A rent as a list has it; ``usd_per_h`` is of the whole instance, ``memory_gib`` of one accelerator where it is stated."""

    line: int
    provider: str
    accelerator: str
    count: float
    usd_per_h: Mapping[CloudTerm, float]
    region: str | None = None
    instance: str | None = None
    memory_gib: float | None = None
    kind: str | None = None
    min_count: str = ""
    interconnect: str = ""
    as_of: str | None = None
    source: str | None = None


@dataclass(kw_only=True)
class PriceList:
    """What was read of a list: the rows of the catalogue, and the lines of those that are none, by reason."""

    format: str
    rows: list[dict[str, str]] = field(default_factory=list)
    refused: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    @property
    def num_refused(self) -> int:
        """Return how many lines of the list became no row."""
        return sum(len(lines) for lines in self.refused.values())


def read_price_list(
    file: Path,
    *,
    specs: Mapping[str, AcceleratorSpec],
    find: Callable[[str], AcceleratorSpec | None],
    as_of: str,
    provider: str | None = None,
    kind: str | None = None,
    names: Mapping[str, str] | None = None,
) -> PriceList:
    """Return a price list as rows of the catalogue.

    ``find`` knows spellings of accelerators, and ``names`` maps those of the list onto ids. ``provider`` is needed where the rows
    name none. ``as_of`` dates the rows that have no day of their own. Raises ``UsageError`` for a table of another form.
    """
    table = read_table(file)
    form = _format_of(table)
    who = provider or _provider_of(file, form=form)
    read = PriceList(format=form)
    groups: dict[tuple[str, ...], list[Listed]] = defaultdict(list)
    for row in table.rows:
        try:
            listed = _READERS[form](row, who, table.commas)
            spec = _accelerator(listed, specs=specs, find=find, names=names or {})
        except ValueError as problem:
            read.refused[str(problem)].append(row.line)
        else:
            place = (listed.provider, spec.id, listed.instance or "", listed.region or "", f"{listed.count:g}", listed.as_of or "")
            groups[place].append(listed)
    taken: set[str] = set()
    for (_, gpu_id, *_), every in groups.items():
        read.rows.append(_row(every, gpu_id=gpu_id, taken=taken, as_of=as_of, kind=kind, source=_SOURCES[form]))
    return read


def _format_of(table: TableFile) -> str:
    missing: dict[str, list[str]] = {
        name: [column for column in wanted if column not in table.columns] for name, wanted in _REQUIRED.items()
    }
    found = [name for name, columns in missing.items() if not columns]
    if found:
        return found[0]
    nearest = sorted(missing.values(), key=len)[0]
    raise UsageError(
        message("{file}: no price list that is known; of the nearest form it lacks {columns}.", file=table.path,
                columns=", ".join(nearest)),
        message("Take SkyPilot's vms.csv, gpuhunt's CSV, or a table with the columns {columns}.", columns=", ".join(OWN_COLUMNS)),
    )  # fmt: skip


def _provider_of(file: Path, *, form: str) -> str:
    """Return the provider whose list this is: SkyPilot names folders after them, gpuhunt files."""
    if form == "own":
        return ""
    guess = file.absolute().parent.name if form == "skypilot" else file.name.split(".")[0]
    if form == "gpuhunt" or file.name.startswith("vms."):
        return guess.lower()
    raise UsageError(
        message("{file}: whose prices these are is not in the file.", file=file),
        message("Name it: --provider {guess}", guess=guess),
    )


def _skypilot(row: Row, provider: str, commas: Commas) -> Listed:
    cells = row.cells
    if not cells["AcceleratorName"]:
        raise ValueError(message("a machine without an accelerator"))
    if not cells["InstanceType"]:
        raise ValueError(message("the price of an accelerator without its machine"))
    prices: dict[CloudTerm, float] = {}
    for term, column in (("on_demand", "Price"), ("spot", "SpotPrice")):
        if cells.get(column):
            prices[term] = _number(cells[column], column, commas)  # type: ignore[index]
    # The cell is a Python dictionary; one number is taken out of its text, and nothing is evaluated.
    sizes = re.findall(r"'SizeInMiB': (\d{1,7})\b", cells.get("GpuInfo", ""))
    # Some lists write GiB in the field of MiB; no accelerator has less than 1 GiB.
    memory = float(sizes[0]) / 1024 if sizes and int(sizes[0]) >= 1024 else float(sizes[0]) if sizes else None
    return Listed(
        line=row.line,
        provider=provider,
        accelerator=cells["AcceleratorName"],
        count=_number(cells["AcceleratorCount"], "AcceleratorCount", commas),
        usd_per_h=prices,
        region=cells["Region"] or None,
        instance=cells["InstanceType"],
        memory_gib=memory,
        kind="marketplace" if cells["InstanceType"].endswith("_COMMUNITY") else None,
    )


def _gpuhunt(row: Row, provider: str, commas: Commas) -> Listed:
    cells = row.cells
    if not cells["gpu_name"] or cells["gpu_count"] in ("", "0"):
        raise ValueError(message("a machine without an accelerator"))
    term: CloudTerm = "spot" if cells["spot"].lower() in ("true", "1") else "on_demand"
    memory = cells.get("gpu_memory", "")
    return Listed(
        line=row.line,
        provider=cells.get("provider") or provider,
        accelerator=cells["gpu_name"],
        count=_number(cells["gpu_count"], "gpu_count", commas),
        usd_per_h={term: _number(cells["price"], "price", commas)},
        region=cells["location"] or None,
        instance=cells["instance_name"] or None,
        memory_gib=_number(memory, "gpu_memory", commas) if memory else None,
    )


def _term_and_kind(cells: Mapping[str, str], provider: str) -> tuple[CloudTerm, str | None]:
    """Return the terms of a line and its kind of provider; raises ``ValueError`` where a word is missing or none of those known."""
    for column in ("provider", "accelerator"):
        if not cells[column] and not (column == "provider" and provider):
            raise ValueError(message("{column} is empty", column=column))
    term, kind = cells.get("term") or "on_demand", cells.get("kind") or None
    if term not in TERMS:
        raise ValueError(message("term is {term!r}, not one of {known}", term=term, known=", ".join(TERMS)))
    if kind is not None and kind not in KINDS:
        raise ValueError(message("kind is {kind!r}, not one of {known}", kind=kind, known=", ".join(KINDS)))
    return term, kind


def _own(row: Row, provider: str, commas: Commas) -> Listed:
    cells = row.cells
    term, kind = _term_and_kind(cells, provider)
    return Listed(
        line=row.line,
        provider=cells["provider"] or provider,
        accelerator=cells["accelerator"],
        count=_number(cells.get("count") or "1", "count", commas),
        usd_per_h={term: _number(cells["usd_per_hour"], "usd_per_hour", commas)},
        region=cells.get("region") or None,
        instance=cells.get("instance") or None,
        kind=kind,
        min_count=cells.get("min_count", ""),
        interconnect=cells.get("interconnect", ""),
        as_of=cells.get("as_of") or None,
        source=cells.get("source") or None,
    )


_READERS: Mapping[str, Callable[[Row, str, Commas], Listed]] = {"skypilot": _skypilot, "gpuhunt": _gpuhunt, "own": _own}
_REQUIRED = {
    "skypilot": ("InstanceType", "AcceleratorName", "AcceleratorCount", "Price", "Region"),
    "gpuhunt": ("instance_name", "location", "price", "gpu_count", "gpu_name", "spot"),
    "own": ("provider", "accelerator", "usd_per_hour"),
}
_SOURCES = {"skypilot": message("SkyPilot catalogue"), "gpuhunt": message("gpuhunt catalogue"), "own": message("own price list")}


def _number(text: str, column: str, commas: Commas) -> float:
    if not text:
        raise ValueError(message("{column} is empty", column=column))
    try:
        number = parse_number(text, commas=commas, suffix=False)
    except ValueError:
        raise ValueError(message("{column} is no number", column=column)) from None
    if number <= 0:
        raise ValueError(message("{column} is not above 0", column=column))
    return number


def _accelerator(
    listed: Listed,
    *,
    specs: Mapping[str, AcceleratorSpec],
    find: Callable[[str], AcceleratorSpec | None],
    names: Mapping[str, str],
) -> AcceleratorSpec:
    """Return the row of the catalogue that a list means; raises ``ValueError`` where there is none, or its price is no rent."""
    if not listed.usd_per_h:
        raise ValueError(message("no price"))
    if max(listed.usd_per_h.values()) / listed.count > _LARGEST_RENT:
        raise ValueError(message("more than ${most:,.0f} for an accelerator and hour", most=_LARGEST_RENT))
    spec = specs.get(names.get(listed.accelerator, ""))
    spec = spec or find_listed(listed.accelerator, memory_gib=listed.memory_gib, specs=specs, find=find)
    if spec is None:
        size = "" if listed.memory_gib is None else f" ({listed.memory_gib:g} GiB)"
        raise ValueError(message("unknown accelerator {name}{size}", name=listed.accelerator, size=size))
    return spec


def _row(every: Sequence[Listed], *, gpu_id: str, taken: set[str], as_of: str, kind: str | None, source: str) -> dict[str, str]:
    """Return one row of the catalogue for the zones of a region: their median price."""
    first = every[0]
    rents: dict[CloudTerm, list[float]] = defaultdict(list)
    for one in every:
        for term, usd in one.usd_per_h.items():
            rents[term].append(usd)
    day = first.as_of or as_of
    words = [first.provider, gpu_id, first.instance or "", first.region or "", f"{first.count:g}", day]
    return {
        "id": _new_id(words, taken),
        "kind": kind or first.kind or _kind_of(first.provider),
        "provider": first.provider,
        "region": first.region or "",
        "instance": first.instance or "",
        "gpu_id": gpu_id,
        "gpu_label": first.accelerator,
        "gpu_count": f"{first.count:g}",
        **{f"{term}_usd_per_h": f"{median(found):g}" for term, found in rents.items()},
        "min_count": first.min_count,
        "interconnect": first.interconnect,
        "source": first.source or f"{source}, {first.provider}",
        "as_of": day,
        "confidence": "medium",
        "note": _spread_note(rents, count=len(every)),
    }


def _spread_note(rents: Mapping[CloudTerm, Sequence[float]], *, count: int) -> str:
    """Return between which prices a row is the median; empty where its lines agree."""
    spread = max((max(found) / min(found) for found in rents.values()), default=1.0)
    # Prices of one file that are equal as written may differ in the last digit after a conversion.
    if spread <= 1.0 + 1e-9:
        return ""
    lowest, highest = min(min(found) for found in rents.values()), max(max(found) for found in rents.values())
    return message("median of {count} lines at ${lowest:g} to ${highest:g} per hour", count=count, lowest=lowest, highest=highest)


def _kind_of(provider: str) -> str:
    return "marketplace" if provider in _MARKETPLACES else "broker" if provider in _BROKERS else "provider"


def _new_id(words: Iterable[str], taken: set[str]) -> str:
    """Return an id of letters and digits that no other row of the file has."""
    made = re.sub(r"[^A-Za-z0-9.]+", "_", "_".join(word for word in words if word)).strip("_.")[:110]
    made = made or "row"
    found, number = made, 2
    while found in taken:
        found, number = f"{made}_{number}", number + 1
    taken.add(found)
    return found
