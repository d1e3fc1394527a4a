"""Money and greenhouse gases of an option as rows: totals, unit costs, cost lines, the bill of materials."""

from __future__ import annotations

from aigc_bench.core.messages import message
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Record
from aigc_bench.core.units import quantity
from aigc_bench.plan.output.shown_number import Shown, key_of, round_counts
from aigc_bench.plan.records.demand import Finance
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.site.bill import BillLine


class UnitCost(Record):
    """Cost and greenhouse gases of a count of units of one load; ``per`` is the count in words, such as ``million tokens``."""

    name: Sentence
    per: Sentence
    cost: Shown


class CostRow(Record):
    """One line of a year's cost, with its formula."""

    cost: Shown
    formula: Sentence


class Totals(Record):
    """What an option costs and emits over its life."""

    total: Shown
    expected: Shown
    upfront: Shown
    per_year: Shown
    carbon: Shown
    energy: Shown


class BillRows(Record):
    """Materials of one room, under its key: lines with a count, and notes on the equipment."""

    key: str
    num_servers: int
    server: str | None
    has_price: bool
    lines: tuple[BillLine, ...]
    notes: tuple[Sentence, ...]


def totals(option: Option) -> Totals:
    """Return total, upfront and yearly cost, and greenhouse gases over the life."""
    at = key_of(option)
    return Totals(
        total=Shown(key=f"{at}.tco_usd", name=message("Total cost"), value=option.tco_usd),
        expected=Shown(
            key=f"{at}.expected_cost_usd",
            name=message("Expected cost"),
            value=option.derived.get("expected_cost_usd"),
            missing=message("planned without Monte Carlo scenarios"),
        ),
        upfront=Shown(key=f"{at}.capex_usd", name="Upfront", value=option.capex_usd),
        per_year=Shown(key=f"{at}.opex_usd_per_year", name=message("Per year"), value=option.opex_usd_per_year, unit="usd"),
        carbon=Shown(
            key=f"{at}.carbon_kg",
            name=message("Greenhouse gases"),
            value=option.carbon_kg,
            times=0.001,
            unit="t CO₂e",
            missing=message("not published by the provider"),
        ),
        energy=Shown(
            key=f"{at}.energy_kwh_per_year",
            name=message("Energy of the IT"),
            value=option.energy_kwh_per_year,
            times=0.001,
            unit="MWh/year",
        ),
    )


def unit_costs(option: Option, *, like: Option | None = None) -> tuple[UnitCost, ...]:
    """Return the unit cost of every load, for the count of units that suits ``like`` (default: the option itself)."""
    counts = round_counts((like or option).usd_per_unit)
    return tuple(
        UnitCost(
            name=name,
            per=counts[name][1],
            cost=Shown(key=f"{key_of(option)}.usd_per_unit.{name}", name=name, value=cost, times=counts[name][0], unit="usd"),
        )
        for name, cost in option.usd_per_unit.items()
        # A load without a unit cost has no count to state it for.
        if name in counts
    )


def cost_rows(option: Option) -> tuple[CostRow, ...]:
    """Return the cost lines of a year; a second line of the same kind, of another part, has its number in its key."""
    found, seen = [], set[str]()
    for number, line in enumerate(option.costs):
        key = f"{key_of(option)}.costs.{line.key}"
        shown = Shown(key=f"{key}.{number}" if key in seen else key, name=line.name, value=line.usd_per_year, unit="usd")
        found.append(CostRow(cost=shown, formula=line.formula))
        seen.add(key)
    return tuple(found)


def bills(option: Option) -> tuple[BillRows, ...]:
    """Return the materials of every room of an option."""
    return tuple(
        BillRows(
            key=key,
            num_servers=one.num_servers,
            server=one.server,
            has_price=bool(one.capex_usd),
            lines=tuple(line for line in one.room.bill.lines if line.count),
            notes=tuple(one.room.notes),
        )
        for key, one in housed(option)
        if one.room is not None
    )


def housed(option: Option) -> tuple[tuple[str, Option], ...]:
    """Return the option, or those of its parts, that have a room, each with its key."""
    at = key_of(option)
    found = (
        [(f"{at}.parts.{number}", part) for number, part in enumerate(option.parts, start=1)] if option.parts else [(at, option)]
    )
    return tuple((key, one) for key, one in found if one.room is not None)


def money_notes(finance: Finance, option: Option | None) -> tuple[str, ...]:
    """Return the dated rate at which money is shown, and the total with tax; nothing for USD without tax."""
    rate, found = finance.usd_per_currency, list[str]()
    if rate is not None:
        found.append(
            message(
                "money in {currency} at {rate:.4g} USD ({source}); prices of the catalogue are in USD",
                currency=finance.currency,
                rate=rate.value,
                source=rate.source,
            )
        )
    if finance.vat is not None and option is not None:
        taxed = quantity(option.tco_usd.value * (1 + finance.vat), "usd")
        found.append(
            message(
                "without tax; total cost with {vat:.3g} % VAT, where it is not refunded: {taxed}",
                vat=100 * finance.vat,
                taxed=taxed,
            )
        )
    return tuple(found)
