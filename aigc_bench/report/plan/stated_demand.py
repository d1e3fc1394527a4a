"""Render the demand: every service and job as the demand file states it, the site and the limits."""

from __future__ import annotations

from aigc_bench.core.messages import message
from aigc_bench.core.units import scale
from aigc_bench.plan.output.serving_words import chain_words, serving_words
from aigc_bench.plan.records.demand import Job, Slo
from aigc_bench.report.markup import figure, template
from aigc_bench.report.plan.view import PlanPage

NAME = "plan-demand"
TITLE = message("Demand")
YEAR_DAYS = 365.25


def render(page: PlanPage) -> str | None:
    """Return the tables of services, jobs, the site and the limits."""
    demand = page.view.plan.demand
    values = {
        "demand": demand,
        "figures": page.figures,
        "services": [(one, slo_words(one.slo), serving_words(one)) for one in demand.services],
        "jobs": [(one, job_words(one), serving_words(one)) for one in demand.jobs],
        "chains": [(one, chain_words(one)) for one in demand.chains],
        "site": _site(),
        "unplanned": page.view.plan.unplanned,
    }
    return template("plan_demand.html.j2", values)


def slo_words(slo: Slo) -> str:
    """Return the SLO in words: ``TTFT ≤ 2 s for 95 % of requests``."""
    limits = (("TTFT", slo.ttft_s), ("TPOT", slo.tpot_s), ("latency", slo.latency_s))
    bounds = [f"{name} ≤ {stated(limit)}" for name, limit in limits if limit is not None]
    return (
        message("{bounds} for {percentile:.4g} % of requests", bounds=", ".join(bounds), percentile=100 * slo.percentile)
        if bounds
        else message("no SLO")
    )


def stated(duration_s: float) -> str:
    """Return a time as it was stated, without trailing zeros."""
    factor, unit = scale(duration_s, "s")
    # Six digits take back what the division by the unit's factor added (0.1 + 0.2).
    return f"{figure(float(f'{duration_s / factor:.6g}'))} {unit}"


def job_words(job: Job) -> str:
    """Return the deadline and the frequency of a job in words."""
    hours = job.window_s / 3600
    # Up to two days in hours, as deadlines are stated.
    window = f"{hours:g} h" if hours < 48 else message("{hours:g} days", hours=hours / 24)
    number = job.runs_per_day
    often = (
        message("once a day")
        if number == 1
        else message("{number:g} times a day", number=number)
        if number > 1
        else message("every {number:.3g} days", number=1 / number)
        if number > 1 / YEAR_DAYS
        else message("once in {years:.3g} years", years=1 / number / YEAR_DAYS)
    )
    return message("within {window}, {often}", window=window, often=often)


def _site() -> list[tuple[str, str, str]]:
    """Return title, key and why the value may be missing."""
    unknown = message("not stated")
    return [
        (message("Electricity"), "demand.site.electricity_usd_per_kwh", unknown),
        (message("Demand charge"), "demand.site.demand_charge_usd_per_kw_month", unknown),
        (message("Grid carbon intensity"), "demand.site.grid_g_per_kwh", unknown),
        ("PUE", "demand.site.pue", unknown),
        (message("IT power"), "demand.site.power_w", unknown),
        (message("Power per rack"), "demand.site.rack_power_w", unknown),
        (message("Cooling per rack"), "demand.site.rack_cooling_w", unknown),
        (message("Uplink"), "demand.site.egress_bits_per_s", unknown),
        (message("Availability"), "demand.availability", unknown),
        (message("Growth"), "demand.growth.per_year", message("no growth is stated")),
        (message("Life"), "demand.finance.life_years", unknown),
        (message("Discount rate"), "demand.finance.discount_rate", unknown),
        (message("Residual value"), "demand.finance.residual_share", unknown),
        (message("Budget, upfront"), "demand.constraints.budget_usd", message("no limit is stated")),
        (message("Budget per year"), "demand.constraints.budget_usd_per_year", message("no limit is stated")),
    ]
