"""A demand as rows: services with their SLO, jobs with their deadline, chains, the site and the limits."""

from __future__ import annotations

from collections.abc import Iterator

from aigc_bench.core.messages import message
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Record
from aigc_bench.core.trail import Trail
from aigc_bench.plan.output.serving_words import chain_words, serving_words
from aigc_bench.plan.output.shown_number import Shown, duration_text, number_at
from aigc_bench.plan.records.chains import Chain
from aigc_bench.plan.records.demand import Job, Service, Slo
from aigc_bench.plan.records.machine import Unplanned
from aigc_bench.plan.records.plan import Plan

YEAR_DAYS = 365.25
UNKNOWN = message("not stated")
NO_LIMIT = message("no limit is stated")
SITE: tuple[tuple[str, str, str], ...] = (
    (message("Electricity"), "site.electricity_usd_per_kwh", UNKNOWN),
    (message("Demand charge"), "site.demand_charge_usd_per_kw_month", UNKNOWN),
    (message("Grid carbon intensity"), "site.grid_g_per_kwh", UNKNOWN),
    ("PUE", "site.pue", UNKNOWN),
    (message("IT power"), "site.power_w", UNKNOWN),
    (message("Power per rack"), "site.rack_power_w", UNKNOWN),
    (message("Cooling per rack"), "site.rack_cooling_w", UNKNOWN),
    (message("Uplink"), "site.egress_bits_per_s", UNKNOWN),
    (message("Availability"), "availability", UNKNOWN),
    (message("Growth"), "growth.per_year", message("no growth is stated")),
    (message("Life"), "finance.life_years", UNKNOWN),
    (message("Discount rate"), "finance.discount_rate", UNKNOWN),
    (message("Residual value"), "finance.residual_share", UNKNOWN),
    (message("Budget, upfront"), "constraints.budget_usd", NO_LIMIT),
    (message("Budget per year"), "constraints.budget_usd_per_year", NO_LIMIT),
)
"""Site, finance and limits: title, key below ``demand``, and why there may be no value."""


class ServiceRow(Record):
    """A service at its peak today: its SLO and its engine's options in words, its requests and what each reads and writes."""

    name: Sentence
    model: Sentence
    slo: Sentence
    options: tuple[Sentence, ...]
    peak: Shown
    duty: Shown
    output: Shown
    input_tokens: Shown


class JobRow(Record):
    """A job with its deadline in words, its items per run, and the stored size of an item."""

    name: Sentence
    what: Sentence
    deadline: Sentence
    options: tuple[Sentence, ...]
    items: Shown
    bytes_per_item: Shown


class ChainRow(Record):
    """Loads that belong together, and what they are as a whole in words."""

    name: Sentence
    is_service: bool
    num_stages: int
    words: tuple[Sentence, ...]


class DemandView(Record):
    """What a demand asks for, and which of its loads could not be planned."""

    services: tuple[ServiceRow, ...]
    jobs: tuple[JobRow, ...]
    chains: tuple[ChainRow, ...]
    site: tuple[Shown, ...]
    unplanned: tuple[Unplanned, ...]


def demand_view(plan: Plan, trail: Trail) -> DemandView:
    """Return the rows of a plan's demand, with the numbers that its derivations have."""
    demand = plan.demand
    return DemandView(
        services=tuple(_service(one, trail) for one in demand.services),
        jobs=tuple(_job(one, trail) for one in demand.jobs),
        chains=tuple(_chain(one) for one in demand.chains),
        site=tuple(number_at(trail, f"demand.{key}", title, missing=missing) for title, key, missing in SITE),
        unplanned=plan.unplanned,
    )


def _service(one: Service, trail: Trail) -> ServiceRow:
    at = f"demand.services.{one.name}"
    return ServiceRow(
        name=one.name,
        model=f"{one.workload} {one.preset or ''}",
        slo=slo_words(one.slo),
        options=serving_words(one),
        peak=number_at(trail, f"{at}.arrival.peak_requests_per_s", message("peak request rate")),
        duty=number_at(trail, f"{at}.arrival.duty", message("mean over peak")),
        output=number_at(trail, f"{at}.items_per_request", message("output per request")),
        input_tokens=number_at(trail, f"{at}.input_tokens", message("input per request"), missing=message("no input tokens")),
    )


def _job(one: Job, trail: Trail) -> JobRow:
    at = f"demand.jobs.{one.name}"
    return JobRow(
        name=one.name,
        what=f"{one.kind}, {one.workload} {one.preset or ''}",
        deadline=job_words(one),
        options=serving_words(one),
        items=number_at(trail, f"{at}.items", message("items per run")),
        bytes_per_item=number_at(trail, f"{at}.bytes_per_item", message("stored size per item")),
    )


def _chain(one: Chain) -> ChainRow:
    return ChainRow(name=one.name, is_service=one.kind == "rag", num_stages=len(one.stages), words=chain_words(one))


def slo_words(slo: Slo) -> str:
    """Return the SLO in words: ``TTFT ≤ 2 s for 95 % of requests``."""
    bounds = list(_bounds(slo))
    if not bounds:
        return message("no SLO")
    return message("{bounds} for {percentile:.4g} % of requests", bounds=", ".join(bounds), percentile=100 * slo.percentile)


def _bounds(slo: Slo) -> Iterator[str]:
    for name, limit_s in (("TTFT", slo.ttft_s), ("TPOT", slo.tpot_s), ("latency", slo.latency_s)):
        if limit_s is not None:
            yield f"{name} ≤ {duration_text(limit_s)}"


def job_words(job: Job) -> str:
    """Return the deadline and the frequency of a job in words."""
    hours = job.window_s / 3600
    # Up to two days in hours, as deadlines are stated.
    window = f"{hours:g} h" if hours < 48 else message("{hours:g} days", hours=hours / 24)
    return message("within {window}, {often}", window=window, often=_often(job.runs_per_day))


def _often(runs_per_day: float) -> str:
    if runs_per_day == 1:
        return message("once a day")
    if runs_per_day > 1:
        return message("{number:g} times a day", number=runs_per_day)
    if runs_per_day > 1 / YEAR_DAYS:
        return message("every {number:.3g} days", number=1 / runs_per_day)
    return message("once in {years:.3g} years", years=1 / runs_per_day / YEAR_DAYS)
