"""Compare quotes that were planned with the recommendation and with each other, and say what would change the comparison.

    equal at  unit price + (total of the other - total) / slope
    slope     bought: units x ((1 - residual) + share of ancillary costs x annuity factor x (years - delivery))
              rented: instances paid x hours of a year x (years - delivery)

A purchase at the prices of the catalogue has no delivery time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aigc_bench.core.arithmetic import substituted
from aigc_bench.core.derivation import Derivation, Places, given, record, restated
from aigc_bench.core.messages import message, plural
from aigc_bench.core.records import Estimate
from aigc_bench.plan.money.ownership import ANNUITY, PLAIN, annuity
from aigc_bench.plan.records.demand import Finance
from aigc_bench.plan.records.plan import Option, Plan
from aigc_bench.plan.records.quote import Quote, QuotedPlan
from aigc_bench.plan.stats.estimates import estimate, stated, zero

EQUAL = message("(unit price + (total of the recommendation - total) / slope) x (1 + tax) / exchange rate")
SLOPE = message("change of the total with the unit price, for the same number of units")
STATED = message("stated in the quote")
SAME = 0.005
"""Relative difference of two costs that is printed as none."""
WEEKS_PER_YEAR = 365.25 / 7
NO_SLOPE = zero("ratio")
"""Of a quote that does not carry the demand."""


@dataclass(frozen=True, kw_only=True)
class PricedQuote:
    """A quote's row before it is compared; ``slope`` is the change of its total in USD for one of its unit price."""

    row: QuotedPlan
    slope: Estimate = NO_SLOPE
    saved_per_year: float = 0.0
    """USD of total that a year less of delivery saves."""

    @property
    def total(self) -> float | None:
        """Return the total in USD of an accepted quote."""
        return self.row.total_usd.value if self.row.accepted and self.row.total_usd is not None else None


def slope_of(quote: Quote, option: Option, *, finance: Finance) -> Estimate:
    """Return USD of total per USD of unit price, for the same number of units: exact, as the price of a quote is."""
    of = Places()
    life = stated(finance.life_years, "demand.finance.life_years", unit="years")
    served = f"({of(life)} - min({of(_delivery(quote))}, {of(life)}))"
    years = finance.life_years - min(quote.delivery_years, finance.life_years)
    if quote.is_rent:
        rents_paid = [line.usd_per_year for line in option.costs if line.key == "rent"]
        value = sum(one.value for one in rents_paid) / quote.unit_usd.value * years
        words = f"{of.plus(rents_paid)} / {of(quote.unit_usd)} * {served}"
    else:
        left, rate = finance.residual_share, finance.discount_rate
        yearly = annuity(1.0, rate=rate.value, years=finance.life_years, residual=left.value)
        value = option.num_servers * ((1 - left.value) + finance.adders_share.value * yearly * years)
        # Without interest the annuity's formula would divide zero by zero.
        of_one = substituted(ANNUITY if rate.value else PLAIN, ("1", of(rate), of(left), of(life)))
        words = f"{of(option.derived['num_servers'])} * ((1 - {of(left)}) + {of(finance.adders_share)} * {of_one} * {served})"
    slope = Derivation(words, tuple(of.inputs), SLOPE, None, ".slope", message("total cost per USD of the unit price"))
    return record(estimate(value, unit="h" if quote.is_rent else "ratio", basis="modelled"), slope)


def _delivery(quote: Quote) -> Estimate:
    """Return the time to delivery as a number that the quote states."""
    return given(
        quote.delivery_years, "years", source=STATED, key=".delivery_years", title=message("time to delivery"), basis="datasheet"
    )


def weeks_of(years: float) -> str:
    """Return a time in whole weeks."""
    return plural("{count} week", "{count} weeks", count=round(years * WEEKS_PER_YEAR))


def compared(one: PricedQuote, every: Sequence[PricedQuote], plan: Plan) -> QuotedPlan:
    """Return the row with its ratios and what would change them."""
    row, best = one.row, plan.recommended
    updates: dict[str, object] = {}
    if row.market_usd is not None:
        updates["over_market"] = row.quote.unit_usd.value / row.market_usd.value - 1
    others = [other for other in every if other is not one and other.total is not None]
    rival = min(others, key=lambda other: other.total or 0.0, default=None)
    total, changes = row.total_usd, list[str]()
    if total is not None and total.value > 0:
        if best is not None and best.tco_usd.value > 0:
            updates["over_recommended"] = total.value / best.tco_usd.value - 1
            found = _equal_estimate(one, best)
            updates |= {"equal_price": found.value, "derived": {"equal_price": found}} if found is not None else {}
            changes += _changes(one, best.tco_usd.value, of=message("the recommendation"))
        if rival is not None and rival.total:
            updates |= {"best": rival.row.quote.name, "over_best": total.value / rival.total - 1}
            changes += _changes(one, rival.total, of=message("quote {name}", name=rival.row.quote.name))
    return row.model_copy(update={**updates, "changes": tuple(changes)})


def _equal_price(one: PricedQuote, target: float) -> float | None:
    """Return the unit price in the quote's currency, with its tax, at which the total is ``target``; ``None`` where none is."""
    quote, total = one.row.quote, one.row.total_usd
    if total is None or one.slope.value <= 0:
        return None
    usd = quote.unit_usd.value + (target - total.value) / one.slope.value
    return usd * (1 + quote.vat) / quote.usd_per_currency.value if usd > 0 else None


def _equal_estimate(one: PricedQuote, best: Option) -> Estimate | None:
    """Return the unit price at which the quote costs as much as the recommendation, with what it is computed from."""
    quote, total, price = one.row.quote, one.row.total_usd, _equal_price(one, best.tco_usd.value)
    if total is None or price is None:
        return None
    # Under the option's own key: expanded here, its servers and watts would be taken for the quote's.
    other = restated(best.tco_usd, key=f"options.{best.rank}.tco_usd", title=message("total cost over the life"))
    vat = given(quote.vat, "fraction", source=STATED, key=".vat", title=message("tax in the price of the quote"), basis="datasheet")
    inputs = (quote.unit_usd, other, total, one.slope, vat, quote.usd_per_currency)
    words = "({0} + ({1} - {2}) / {3}) * (1 + {4}) / {5}"
    return record(estimate(price, unit=quote.currency, basis="modelled"), Derivation(words, inputs, EQUAL))


def _changes(one: PricedQuote, target: float, *, of: str) -> Iterator[str]:
    """Yield what would make the quote cost as much as something else."""
    quote, total = one.row.quote, one.row.total_usd
    assert total is not None, "only quotes with a total are compared"
    above = total.value / target - 1
    price = _equal_price(one, target)
    if abs(above) < SAME:
        yield message("it costs as much as {of}", of=of)
    elif price is None:
        yield message("no price makes it as cheap as {of}: running it costs more", of=of)
    else:
        at, change = _price(price, quote), _change(price, quote)
        yield (
            message("at {price} ({change}) it would cost as much as {of}", price=at, change=change, of=of)
            if above > 0
            else message("up to {price} ({change}) it costs less than {of}", price=at, change=change, of=of)
        )
    sooner = quote.delivery_years - (total.value - target) / one.saved_per_year if one.saved_per_year > 0 else -1.0
    if above >= SAME and 0 <= sooner < quote.delivery_years:
        yield message("delivered within {weeks} it would cost as much as {of}", weeks=weeks_of(sooner), of=of)


def _price(price: float, quote: Quote) -> str:
    """Return a unit price in the quote's currency, in words."""
    unit = message("per instance-hour") if quote.is_rent else message("per server")
    return message("{price} {unit}", price=f"{quote.currency} {money_digits(price)}", unit=unit)


def _change(price: float, quote: Quote) -> str:
    """Return how far a unit price is from the quote's own, in words."""
    return relative(price / quote.price - 1, less=message("less"), more=message("more"))


def money_digits(amount: float) -> str:
    """Return an amount in its own currency: whole units from a thousand on, else cents."""
    return f"{amount:,.0f}" if abs(amount) >= 1000 else f"{amount:,.2f}"


def relative(share: float, *, less: str, more: str) -> str:
    """Return a difference in whole per cent with the word for its direction: ``8 % less``."""
    return message("{percent:.0f} % {word}", percent=100 * abs(share), word=less if share < 0 else more)
