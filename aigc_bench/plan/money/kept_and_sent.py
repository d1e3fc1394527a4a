"""What a provider bills besides instances: the data kept with it, and what leaves it.

    storage    bytes kept x USD per byte and month x 12
    egress     12 x the provider's tiers, beyond what is free, on the bytes of a month:
               peak requests/s x duty x mean growth x response bytes x seconds of a month + results of the runs of a month

Results of training stay: the checkpoints are what is kept. A provider without a published price takes what the others take (median,
10th and 90th percentile of the catalogue); an unknown price is never free.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from aigc_bench.catalog.transfers import EgressAndStorage
from aigc_bench.core.derivation import Derivation, record
from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate, Record
from aigc_bench.core.units import SECONDS_PER_YEAR
from aigc_bench.plan.records.demand import Demand
from aigc_bench.plan.records.plan import CostLine
from aigc_bench.plan.sizing.fleets import grown
from aigc_bench.plan.stats.estimates import estimate, named, plus, scaled, times, total

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue

MONTHS = 12
STORED = message("bytes kept x price of a byte and month x 12")
SENT = message("tiers of the provider on the bytes of a month, beyond what is free, x 12")
GIGABYTE = 1e9
LEAST_USD = 1.0
"""Lines below a dollar a year are left out."""


class Transfers(Record):
    """USD of a provider for a byte kept for a month, and its row of egress; without a row ``sent_usd_per_byte`` of the others."""

    provider: str
    kept_usd_per_byte_month: Estimate
    kept_class: str
    row: EgressAndStorage | None = None
    sent_usd_per_byte: Estimate


def transfers_of(provider: str, *, catalogue: Catalogue) -> Transfers:
    """Return what a provider takes for storage and egress: its own row, else what the others take."""
    rows = list(catalogue.egress_storage.values())
    row = next((one for one in rows if one.provider == provider.lower()), None)
    sent = [one.egress[0][1] for one in rows if one.egress is not None]
    others = _of_others(sent, what=message("egress"))
    own = row if row is not None and row.egress is not None else None
    if row is not None and (price := row.object_usd_per_byte_month or row.block_usd_per_byte_month) is not None:
        words = (row.object_class if row.object_usd_per_byte_month else row.block_class) or message("storage")
        kept = estimate(price, unit="usd/B-month", basis=row.basis, source=f"{row.provider} {words}; {row.source}, {row.as_of}")
        return Transfers(provider=provider, kept_usd_per_byte_month=kept, kept_class=words, row=own, sent_usd_per_byte=others)
    kept = _of_others([one.object_usd_per_byte_month for one in rows if one.object_usd_per_byte_month], what=message("storage"))
    usual = message("at the usual price")
    return Transfers(provider=provider, kept_usd_per_byte_month=kept, kept_class=usual, row=own, sent_usd_per_byte=others)


def _of_others(prices: Sequence[float], *, what: str) -> Estimate:
    low, value, high = np.percentile(prices, (10, 50, 90))
    source = message("{what}: median, P10 and P90 of {count} providers of the catalogue", what=what, count=len(prices))
    unit = "usd/B-month" if what == message("storage") else "usd/B"
    return estimate(float(value), low=float(low), high=float(high), unit=unit, basis="assumed", source=source)


def lines_of(transfers: Transfers, demand: Demand, *, kept: Estimate, loads: Sequence[str]) -> tuple[CostLine, ...]:
    """Return the lines of storage and egress of a year for the named services and jobs; ``kept`` bytes lie at the provider."""
    prices = transfers.kept_usd_per_byte_month
    stored = named(scaled(times(kept, prices, unit="usd/month"), MONTHS, unit="usd/year"), STORED)
    found = [
        CostLine(
            key="storage",
            name=message("storage: {provider}, {words}", provider=transfers.provider, words=transfers.kept_class),
            usd_per_year=stored,
            formula=STORED,
            inputs={message("bytes kept"): kept, message("price of a byte and month"): prices},
        )
    ]
    sent = sent_bytes_per_month(demand, loads=loads)
    billed = named(_egress(transfers, sent, kept), SENT)
    words = message("egress: {provider}", provider=transfers.provider)
    found.append(
        CostLine(key="egress", name=words, usd_per_year=billed, formula=SENT, inputs={message("bytes sent in a month"): sent})
    )
    return tuple(line for line in found if line.usd_per_year.value >= LEAST_USD)


def sent_bytes_per_month(demand: Demand, *, loads: Sequence[str]) -> Estimate:
    """Return the bytes of responses and results that leave the provider in a month of the mean year."""
    parts: list[Estimate] = []
    _, mean = grown(demand.growth)
    for service in demand.services:
        if service.name in loads:
            rate = times(service.arrival.peak_requests_per_s, service.arrival.duty, mean, service.response_bytes, unit="B/s")
            parts.append(scaled(rate, SECONDS_PER_YEAR / MONTHS, unit="B/month"))
    for job in demand.jobs:
        if job.name in loads and job.response_bytes is not None:
            run = times(job.items, job.response_bytes, unit="B")
            parts.append(scaled(run, job.runs_per_day * SECONDS_PER_YEAR / 86_400 / MONTHS, unit="B/month"))
    return plus(*parts) if parts else total([], unit="B/month")


def _egress(transfers: Transfers, sent: Estimate, kept: Estimate) -> Estimate:
    """Return USD of a year for the bytes that leave each month."""
    row = transfers.row
    if row is None:
        return scaled(times(sent, transfers.sent_usd_per_byte, unit="usd/month"), MONTHS, unit="usd/year")
    ends = {end: MONTHS * (row.egress_usd(getattr(sent, end), stored_bytes=kept.value) or 0.0) for end in ("value", "low", "high")}
    source = f"{row.provider}; {row.source}, {row.as_of}"
    found = Estimate(**ends, unit="usd/year", basis=sent.basis, source=source)
    return record(found, Derivation(_in_tiers(row), (sent, kept), SENT))


def _in_tiers(row: EgressAndStorage) -> str:
    """Return the arithmetic of a year's egress, ``{0}`` bytes sent in a month and ``{1}`` kept, tier by tier."""
    free = f" - {row.free_egress_bytes_per_month!r}" if row.free_egress_bytes_per_month else ""
    free += f" - {row.free_egress_of_stored!r} * {{1}}" if row.free_egress_of_stored else ""
    paid = f"max(0, {{0}}{free})" if free else "{0}"
    terms, begin = list[str](), 0.0
    for end, rate in row.egress or ():
        upto = paid if end is None else f"min({paid}, {end!r})"
        # By the gigabyte, as the provider's price list has it.
        terms.append(f"{round(rate * GIGABYTE, 10)!r} * {f'max(0, {upto} - {begin!r})' if begin else upto}")
        begin = end or begin
    return f"{MONTHS} * ({' + '.join(terms) or '0'}) / {GIGABYTE:.0f}"
