"""Render the demand: every service and job as the demand file states it, the site and the limits."""

from __future__ import annotations

from aigc_bench.core.units import scale
from aigc_bench.plan.records.demand import Job, Service, Slo
from aigc_bench.report.markup import figure, template
from aigc_bench.report.plan.view import PlanPage

NAME = "plan-asked"
TITLE = "Demand"


def render(page: PlanPage) -> str | None:
    """Return the tables of services, jobs, the site and the limits."""
    demand = page.view.plan.demand
    values = {
        "demand": demand,
        "figures": page.figures,
        "services": [(one, slo_words(one.slo)) for one in demand.services],
        "jobs": [(one, job_words(one)) for one in demand.jobs],
        "site": _site(),
        "unplanned": page.view.plan.unplanned,
    }
    return template("plan_asked.html.j2", values)


def slo_words(slo: Slo) -> str:
    """Return the SLO in words: ``TTFT ≤ 2 s for 95 % of requests``."""
    limits = (("TTFT", slo.ttft_s), ("TPOT", slo.tpot_s), ("latency", slo.latency_s))
    bounds = [f"{name} ≤ {stated(limit)}" for name, limit in limits if limit is not None]
    return f"{', '.join(bounds)} for {100 * slo.percentile:g} % of requests" if bounds else "no SLO"


def stated(duration_s: float) -> str:
    """Return a time as it was stated, without trailing zeros."""
    factor, unit = scale(duration_s, "s")
    return f"{figure(float(f'{duration_s / factor:.6g}'))} {unit}"


def job_words(job: Job) -> str:
    """Return the deadline and the frequency of a job in words."""
    hours = job.window_s / 3600
    window = f"{hours:g} h" if hours < 48 else f"{hours / 24:g} days"
    number = job.runs_per_day
    often = "once a day" if number == 1 else f"{number:g} times a day" if number > 1 else f"every {1 / number:.3g} days"
    return f"within {window}, {often}"


def what_model(one: Service | Job) -> str:
    """Return family and preset."""
    return " ".join(part for part in (one.workload, one.preset) if part)


def _site() -> list[tuple[str, str, str]]:
    """Return title, key and why the value may be missing."""
    unknown = "not stated"
    return [
        ("Electricity", "demand.site.electricity_usd_per_kwh", unknown),
        ("Demand charge", "demand.site.demand_charge_usd_per_kw_month", unknown),
        ("Grid carbon intensity", "demand.site.grid_g_per_kwh", unknown),
        ("PUE", "demand.site.pue", unknown),
        ("IT power", "demand.site.power_w", unknown),
        ("Power per rack", "demand.site.rack_power_w", unknown),
        ("Cooling per rack", "demand.site.rack_cooling_w", unknown),
        ("Uplink", "demand.site.egress_bits_per_s", unknown),
        ("Availability", "demand.availability", unknown),
        ("Growth", "demand.growth.per_year", "no growth is stated"),
        ("Life", "demand.finance.life_years", unknown),
        ("Discount rate", "demand.finance.discount_rate", unknown),
        ("Residual value", "demand.finance.residual_share", unknown),
        ("Budget, upfront", "demand.constraints.budget_usd", "no limit is stated"),
        ("Budget per year", "demand.constraints.budget_usd_per_year", "no limit is stated"),
    ]
