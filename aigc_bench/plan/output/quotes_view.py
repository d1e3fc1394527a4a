"""Vendors' quotes as rows: the unit price against the market, the total against the recommendation and the other quotes."""

from __future__ import annotations

from collections.abc import Iterator

from aigc_bench.core.messages import joined, message, plural
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Record
from aigc_bench.core.units import quantity
from aigc_bench.plan.explain.supply_steps import quote_key
from aigc_bench.plan.output.shown_number import Shown, round_counts
from aigc_bench.plan.records.plan import Plan
from aigc_bench.plan.records.quote import QuotedPlan

SAME = 0.005


class QuoteRow(Record):
    """A quote as it is shown; ``unit`` is its price in words, ``compared`` a line of comparisons, ``notes`` the rest of it.

    ``total`` is over the life, ``per_unit`` the cost of a count of units of the first load, with ``per`` the count in words.
    """

    found: QuotedPlan
    title: str
    unit: str
    market: Sentence
    compared: Sentence
    total: Shown
    per_unit: Shown
    per: str
    notes: tuple[Sentence, ...]


class QuotesView(Record):
    """The quotes in the order of their totals, accepted ones first, and what follows from them as a sentence."""

    verdict: Sentence
    rows: tuple[QuoteRow, ...]


def quotes_view(plan: Plan) -> QuotesView | None:
    """Return the quotes of a plan; ``None`` without any."""
    if not plan.quotes:
        return None
    ordered = sorted(plan.quotes, key=lambda one: (not one.accepted, one.total_usd.value if one.total_usd else 0.0, one.quote.name))
    return QuotesView(verdict=verdict_of(plan) or "", rows=tuple(_row(one, plan) for one in ordered))


def verdict_of(plan: Plan) -> str | None:
    """Return whether a quote is cheaper than the recommendation; ``None`` without quotes."""
    if not plan.quotes:
        return None
    priced = [(one.total_usd.value, one) for one in plan.quotes if one.accepted and one.total_usd is not None]
    if not priced:
        return message("No quote meets the demand; its row says what it lacks.")
    _, best = min(priced, key=lambda pair: pair[0])
    above = best.over_recommended
    if above is None:
        return message(
            "Quote {name} is the cheapest that meets the demand; at the prices of the catalogue nothing does.", name=best.quote.name
        )
    if abs(above) < SAME:
        return message("Quote {name} costs as much as the recommendation.", name=best.quote.name)
    percent = 100 * abs(above)
    if above > 1:
        return message(
            "No quote is cheaper than the recommendation; the nearest, {name}, costs {times:.1f} times as much.",
            name=best.quote.name,
            times=1 + above,
        )
    if above > 0:
        return message(
            "No quote is cheaper than the recommendation; the nearest, {name}, costs {percent:.0f} % more.",
            name=best.quote.name,
            percent=percent,
        )
    return message(
        "Quote {name} costs {percent:.0f} % less than the recommendation at the prices of the catalogue.",
        name=best.quote.name,
        percent=percent,
    )


def _row(one: QuotedPlan, plan: Plan) -> QuoteRow:
    quote, at = one.quote, quote_key(one.quote.name)
    # The counts of the recommendation, so that its unit costs and those of quotes can be compared.
    like = plan.recommended.usd_per_unit if plan.recommended else one.usd_per_unit
    name = next(iter(one.usd_per_unit), None)
    counts = round_counts(like)
    count, per = counts.get(name or "", (1.0, ""))
    return QuoteRow(
        found=one,
        title=f"{quote.name} ({quote.vendor})",
        unit=_unit(one),
        market=_market(one),
        compared=joined("; ", _comparisons(one, per=per)),
        total=Shown(
            key=f"{at}.total_usd",
            name=message("Total cost"),
            value=one.total_usd,
            missing=message("no total"),
        ),
        per_unit=Shown(
            key=f"{at}.usd_per_unit.{name}",
            name=message("Per {unit}", unit=per),
            value=one.usd_per_unit[name] if name is not None and per else None,
            times=count,
            unit="usd",
        ),
        per=per,
        notes=tuple((*one.reasons, *one.questions) if not one.accepted else (*one.changes, *one.questions)),
    )


def _unit(one: QuotedPlan) -> str:
    quote = one.quote
    amount = f"{quote.price:,.0f}" if quote.price >= 1000 else f"{quote.price:,.2f}"
    words = f"{quote.currency} {amount}"
    tax = message(" with {vat:.3g} % tax", vat=100 * quote.vat) if quote.vat else ""
    if quote.is_rent:
        return message(
            "{words}/h for {count} x {accelerator}{tax}",
            words=words,
            count=quote.num_accelerators,
            accelerator=quote.accelerator,
            tax=tax,
        )
    return message(
        "{words} per server of {count} x {accelerator}{tax}",
        words=words,
        count=quote.num_accelerators,
        accelerator=quote.accelerator,
        tax=tax,
    )


def _market(one: QuotedPlan) -> str:
    if one.over_market is None or one.market_usd is None:
        return message("the catalogue has no price of it")
    return _than(
        one.over_market, message("{market} ({price})", market=one.market, price=quantity(one.market_usd.value, one.market_usd.unit))
    )


def _than(share: float, what: str) -> str:
    if abs(share) < SAME:
        return message("as much as {what}", what=what)
    if share > 1:
        return message("{times:.1f} times as expensive as {what}", times=1 + share, what=what)
    if share > 0:
        return message("{percent:.0f} % more expensive than {what}", percent=100 * share, what=what)
    return message("{percent:.0f} % cheaper than {what}", percent=-100 * share, what=what)


def _comparisons(one: QuotedPlan, *, per: str) -> Iterator[str]:
    """Yield the comparisons of a quote with the market, the recommendation and the best other quote."""
    yield message("unit price {than}", than=_market(one)) if one.over_market is not None else _market(one)
    if one.over_recommended is not None:
        yield _than(one.over_recommended, message("the recommendation"))
    if one.over_best is not None and one.best is not None:
        each = message("per {per} ", per=per) if per else ""
        if abs(one.over_best) < SAME:
            yield message("{each}as much as {best}", each=each, best=one.best)
        else:
            yield message("{each}{than}", each=each, than=_than(one.over_best, one.best))
    if one.num_units is not None:
        yield plural("{count} unit meets the demand", "{count} units meet the demand", count=one.num_units)
