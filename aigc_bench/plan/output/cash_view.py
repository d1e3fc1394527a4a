"""The cash flow of an option as rows: what is paid and received in each year."""

from __future__ import annotations

from aigc_bench.core.messages import message
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.money.cash_by_year import YearCash, cash_by_year
from aigc_bench.plan.output.shown_number import Shown, key_of
from aigc_bench.plan.records.plan import Option, Plan


class CashRow(Record):
    """Payments and income of a year, 0 is the start; ``net_usd`` is what the year costs."""

    year: int
    purchase: Shown
    running: Shown
    resale: Shown
    cumulative: Shown
    net_usd: float


class CashView(Record):
    """Cash by year. ``has_hardware``: one of the option's cost lines is the purchase as an annuity."""

    years: tuple[CashRow, ...]
    has_hardware: bool
    is_rented: bool
    is_bought: bool


def cash_view(plan: Plan, option: Option) -> CashView:
    """Return the cash flow of an option over its life."""
    years = cash_by_year(option, plan.demand.finance)
    return CashView(
        years=tuple(_row(one, at=f"{key_of(option)}.cash.{one.year}") for one in years),
        has_hardware=any(line.key == "hardware" for line in option.costs),
        is_rented=option.kind == "cloud",
        is_bought=any(one.purchase_usd is not None and one.purchase_usd.value for one in years),
    )


def _row(one: YearCash, *, at: str) -> CashRow:
    def shown(field: str, name: Sentence, value: Estimate | None, missing: Sentence) -> Shown:
        return Shown(key=f"{at}.{field}", name=name, value=value, missing=missing)

    return CashRow(
        year=one.year,
        purchase=shown("purchase", message("purchase"), one.purchase_usd, message("no purchase")),
        running=shown("running", message("running"), one.running_usd, message("not in operation yet")),
        resale=shown("resale", message("resale"), one.resale_usd, message("no resale")),
        cumulative=shown("sum", message("cumulative"), one.cumulative_usd, message("unknown")),
        net_usd=one.net_usd.value,
    )
