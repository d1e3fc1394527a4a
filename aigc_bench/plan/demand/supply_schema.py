"""Define the keys of what is offered and of what is there: vendors' quotes and owned machines."""

from __future__ import annotations

from aigc_bench.core.messages import message
from aigc_bench.plan.demand.amounts import YEAR_S, Day, LongDuration, Number, Table, Whole, between, documented, lasting, zero_or
from aigc_bench.plan.records.quote import QuoteTerm


class WrittenQuote(Table):
    """``[[quote]]``: a vendor's price for a server that is bought, or for an instance that is rented by the hour."""

    name: str = documented(message("a name of your own, such as the quote's number"), default=...)
    vendor: str = documented(message("who gave the quote"), default=...)
    accelerator: str = documented(message("accelerator, any spelling"), default=...)
    accelerators: Whole | None = documented(
        message("accelerators of one server or instance (default: those of the server)"), unit="count", limits=between(1, 1024)
    )
    server: str | None = documented(message("the server by its id, see `aigc-bench list servers` (default: one that holds them)"))
    units: Whole | None = documented(
        message("servers or instances offered (default: any number)"), unit="count", limits=between(1, 1e6)
    )
    term: QuoteTerm = documented(
        message("purchase; or on_demand, spot, reserved_1y, reserved_3y of a rent, whose price is per hour"), default="purchase"
    )
    price: Number = documented(
        message("price of one server, or of one instance for an hour"), unit="currency", limits=between(1e-4, 1e12), default=...
    )
    currency: str = documented(message("currency of its amounts: USD, EUR, CNY ..."), default="USD")
    vat: Number = documented(
        message("tax inside its amounts, 0.19 is 19 %"), unit="fraction", limits=zero_or(1e-3, 0.5), default=0.0
    )
    support_per_year: Number = documented(
        message("support of one server for a year, where it is not in the price"),
        unit="currency/year",
        limits=zero_or(0.01, 1e10),
        default=0.0,
    )
    delivery: LongDuration | None = documented(
        message("time from order to service (default: none)"), limits=lasting(3600, 5 * YEAR_S)
    )
    dated: Day | None = documented(message("day of the quote"))
    valid_until: Day | None = documented(message("last day on which it can be ordered"))


class WrittenOwned(Table):
    """``[[owned]]``: accelerators that are there already."""

    accelerator: str = documented(message("accelerator, any spelling"), default=...)
    count: Whole = documented(message("accelerators that are there"), unit="count", limits=between(1, 1e6), default=...)
    per_server: Whole | None = documented(
        message("accelerators of one server (default: those of a usual one, or all)"), unit="count", limits=between(1, 1024)
    )
    server: str | None = documented(message("the server by its id, see `aigc-bench list servers`"))
    year: Whole = documented(message("year of purchase"), unit="year", limits=between(2012, 2100), default=...)
    book_value_usd: Number | None = documented(
        message("value in the books of all of them together"), unit="USD", limits=zero_or(1, 1e12)
    )
