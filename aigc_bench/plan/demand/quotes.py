"""Read vendors' quotes: the ``[[quote]]`` tables of a demand, and quote files as TOML or CSV, with a line for each mistake.

A quote file holds nothing else: TOML with ``[[quote]]`` tables, or a table with the same keys as its columns, one quote per row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aigc_bench.core.document import mistakes, read_toml
from aigc_bench.core.errors import AigcBenchError, UnknownNameError, UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.numbers import parse_number
from aigc_bench.core.table_file import Row, TableFile, read_table
from aigc_bench.core.toml_file import check
from aigc_bench.plan.demand.amounts import YEAR_S, Table, documented
from aigc_bench.plan.demand.supply_schema import WrittenQuote
from aigc_bench.plan.hardware.datasheet import usual_counts
from aigc_bench.plan.records.demand import Demand
from aigc_bench.plan.records.quote import Quote
from aigc_bench.plan.stats.estimates import estimate

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue
    from aigc_bench.catalog.records import ServerSpec

MOST_QUOTES = 50
"""Each is planned on its own, about a tenth of a second."""
_WHOLE = ("accelerators", "units")
_NUMBERS = (*_WHOLE, "price", "vat", "support_per_year")


class WrittenQuotes(Table):
    """A file of quotes."""

    quote: tuple[WrittenQuote, ...] = documented(message("vendors' quotes"), default=...)


def read_quotes(path: Path | str, *, catalogue: Catalogue) -> tuple[Quote, ...]:
    """Return the quotes of a TOML or CSV file; raise ``UsageError`` that names the file and the place of every mistake."""
    file = Path(path)
    written = _of_toml(file) if file.suffix.lower() == ".toml" else _of_table(file)
    found: list[Quote] = []
    problems: list[str] = []
    for place, one in written:
        try:
            found.append(quote_of(one, catalogue=catalogue))
        except AigcBenchError as problem:
            problems.append(f"{place}: {problem}")
    if problems:
        raise mistakes(file, problems)
    return tuple(found)


def _of_toml(file: Path) -> list[tuple[str, WrittenQuote]]:
    raw = read_toml(file)
    if "quote" not in raw and any(name in raw for name in ("service", "batch", "training")):
        raise UsageError(message("{file}: this is a demand without quotes.", file=file), message("Plan it: aigc-bench plan FILE."))
    written, problems = check(raw, WrittenQuotes)
    if written is None:
        raise mistakes(file, problems)
    return [(f"quote {number} ({one.name})", one) for number, one in enumerate(written.quote, start=1)]


def _of_table(file: Path) -> list[tuple[str, WrittenQuote]]:
    known = tuple(WrittenQuote.model_fields)
    table = read_table(file, required=("name", "vendor", "accelerator", "price"), hint=message("Write one quote per row."))
    problems = [
        f"{message('line')} {table.header_line}: {UnknownNameError('column', name, known=known)}"
        for name in table.columns
        if name not in known
    ]
    found: list[tuple[str, WrittenQuote]] = []
    for row in table.rows:
        place = message("line {line}", line=row.line)
        raw, wrong = _cells(row, table)
        written, more = (None, wrong) if wrong else check(raw, WrittenQuote)
        problems += [f"{place}: {problem}" for problem in more]
        if written is not None:
            found.append((place, written))
        if len(found) > MOST_QUOTES:
            break
    if problems:
        raise mistakes(file, problems)
    if not found:
        raise UsageError(message("{file}: no quote below the header.", file=file), message("Write one quote per row."))
    return found


def _cells(row: Row, table: TableFile) -> tuple[dict[str, Any], list[str]]:
    """Return the cells of a row as a TOML table would hold them, and the cells that are no numbers; empty ones are left out."""
    found: dict[str, Any] = {}
    wrong = [row.problem] if row.problem else []
    for name, text in row.cells.items():
        if not text:
            continue
        found[name] = text
        if name in _NUMBERS:
            try:
                number = parse_number(text, commas=table.commas)
            except ValueError as problem:
                wrong.append(message("{name}, {text!r}: {problem}", name=name, text=text[:40], problem=problem))
                continue
            found[name] = int(number) if name in _WHOLE and number.is_integer() else number
    return found, wrong


def quote_of(written: WrittenQuote, *, catalogue: Catalogue) -> Quote:
    """Return a quote with its price in USD without tax, at the dated exchange rate of the catalogue.

    Raises ``UnknownNameError`` for an accelerator, server or currency that is unknown, ``UsageError`` for a server of other parts.
    """
    spec = catalogue.accelerator(written.accelerator)
    rate = catalogue.exchange_rate(written.currency.upper())
    server = _server(written, spec.id, catalogue=catalogue)
    if written.dated and written.valid_until and written.valid_until < written.dated:
        raise UsageError(message("valid_until = {until} is before dated = {dated}", until=written.valid_until, dated=written.dated))
    unit = "usd/h" if written.term != "purchase" else "usd"
    day = written.dated.isoformat() if written.dated else message("undated")
    source = message("quote {name} of {vendor}, {day}", name=written.name, vendor=written.vendor, day=day)

    def in_usd(amount: float, unit: str) -> Any:
        """Return an amount of the quote without tax in USD, with the interval of the exchange rate."""
        net = amount / (1 + written.vat)
        words = (
            source
            if written.currency.upper() == "USD"
            else message("{source}, at {rate:g} USD ({of})", source=source, rate=rate.value, of=rate.source)
        )
        return estimate(net * rate.value, low=net * rate.low, high=net * rate.high, unit=unit, basis="datasheet", source=words)

    return Quote(
        name=written.name,
        vendor=written.vendor,
        accelerator=spec.id,
        server=written.server,
        num_accelerators=written.accelerators or (server.gpu_count if server else _usual(spec.id, catalogue)),
        num_units=written.units,
        term=written.term,
        price=written.price,
        currency=written.currency.upper(),
        vat=written.vat,
        unit_usd=in_usd(written.price, unit),
        usd_per_currency=rate,
        support_usd_per_year=in_usd(written.support_per_year, "usd/year") if written.support_per_year else None,
        delivery_years=(written.delivery or 0.0) / YEAR_S,
        dated=written.dated,
        valid_until=written.valid_until,
    )


def _server(written: WrittenQuote, accelerator: str, *, catalogue: Catalogue) -> ServerSpec | None:
    """Return the row of the quoted server, ``None`` where the quote names none."""
    if written.server is None:
        return None
    if written.server not in catalogue.servers:
        raise UnknownNameError("server", written.server, known=catalogue.servers)
    server = catalogue.servers[written.server]
    if server.gpu_id != accelerator:
        raise UsageError(
            message(
                "server = {server!r} holds {held}, the quote is for {wanted}",
                server=server.id,
                held=server.gpu_id,
                wanted=accelerator,
            )
        )
    if written.accelerators not in (None, server.gpu_count):
        raise UsageError(
            message(
                "accelerators = {stated}: server = {server!r} holds {held}",
                stated=written.accelerators,
                server=server.id,
                held=server.gpu_count,
            )
        )
    return server


def _usual(accelerator: str, catalogue: Catalogue) -> int:
    """Return the accelerators of the first server that holds it, else those of a usual host."""
    servers = catalogue.servers_with(accelerator)
    return servers[0].gpu_count if servers else usual_counts(catalogue.accelerators[accelerator])[-1]


def repeated_names(quotes: Sequence[Quote]) -> list[str]:
    """Return the mistakes of quotes that share a name, and of too many."""
    count = Counter(one.name for one in quotes)
    found = [
        message("{name!r} is the name of {count} quotes", name=name, count=number) for name, number in count.items() if number > 1
    ]
    if len(quotes) > MOST_QUOTES:
        found.append(message("{number} quotes; at most {most} are compared", number=len(quotes), most=MOST_QUOTES))
    return found


def with_quote_files(demand: Demand, files: Sequence[Path | str], *, catalogue: Catalogue) -> Demand:
    """Return the demand with the quotes of some files after its own; raise ``UsageError`` for names that are there twice."""
    if not files:
        return demand
    every = (*demand.quotes, *(quote for file in files for quote in read_quotes(file, catalogue=catalogue)))
    problems = repeated_names(every)
    if problems:
        raise mistakes(message("the quotes"), problems)
    return demand.model_copy(update={"quotes": every})
