"""Build the steps of an option's cash flow by year: payments, resale, and the cumulative sum."""

from __future__ import annotations

from aigc_bench.plan.explain.arithmetic import Inputs
from aigc_bench.plan.explain.place import Below
from aigc_bench.plan.money.cash_by_year import YearCash, cash_by_year

RESIDUAL = "demand.finance.residual_share"


def add_cash(below: Below) -> None:
    """Add every year under ``cash.YEAR``; year 0 is the start."""
    before: str | None = None
    for one in cash_by_year(below.option, below.demand.finance):
        before = _add_year(below, one, before=before)


def _add_year(below: Below, one: YearCash, *, before: str | None) -> str:
    """Add the payments of one year and return the key of the cumulative sum."""
    year, trail, of, words = one.year, below.trail, Inputs(), list[str]()
    when = "at the start" if year == 0 else f"in year {year}"
    if before is not None:
        words.append(of(before))
    if one.purchase_usd is not None:
        key = trail.same(below.key("cash", year, "purchase"), f"paid {when}", one.purchase_usd, as_=below.key("capex_usd"))
        words.append(of(key))
    if one.running_usd is not None:
        share = min(1.0, below.demand.finance.life_years - (year - 1))
        key = trail.computed(
            below.key("cash", year, "running"),
            f"running cost {when}",
            one.running_usd,
            formula="running cost per year x share of the year within the life",
            inputs=(below.key("opex_usd_per_year"),),
            arithmetic=f"{{0}} * {share!r}",
        )
        words.append(of(key))
    if one.resale_usd is not None:
        key = trail.computed(
            below.key("cash", year, "resale"),
            f"resale {when}",
            one.resale_usd,
            formula="purchase x residual share",
            inputs=(below.key("capex_usd"), RESIDUAL),
            arithmetic="{0} * {1}",
        )
        words.append(f"-1 * {of(key)}")
    return trail.computed(
        below.key("cash", year, "sum"),
        f"cumulative cost, {when}",
        one.cumulative_usd,
        formula="cumulative cost + purchase + running - resale",
        inputs=of.keys,
        arithmetic=" + ".join(words).replace("+ -1 * ", "- ") or "0",
    )
