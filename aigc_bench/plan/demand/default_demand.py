"""Build the default demand: an office of a thousand people, a service per measured family, and nightly training.

These rates are not measured. Each is a stated, modest assumption with an interval and a reason, so that the plan's arithmetic
can be followed and every figure replaced by the user's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate, MetricRow
from aigc_bench.plan.demand.arrival_rates import from_users
from aigc_bench.plan.demand.site_and_limits import plant_left, with_factor_keys
from aigc_bench.plan.records.demand import Demand, Finance, Job, Service, Site, Slo
from aigc_bench.plan.stats.estimates import assumed

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue

GENERAL = message("stated assumption of the built-in demand")
USERS = 1000
WORKING_SHARE = assumed(
    0.12,
    low=0.08,
    high=0.24,
    unit="fraction",
    source=message("mean over peak rate: 8 of 24 hours on 5 of 7 days, half of the peak on average; {general}", general=GENERAL),
)
NIGHT_S = 8 * 3600.0
LIFE_YEARS = 3.0
# The published resale value of that age; it has to agree with LIFE_YEARS.
LIFE_MONTHS = 36


@dataclass(frozen=True, kw_only=True)
class Use:
    """How an office uses one family, and how much it trains at night; sizes in bytes, intervals are +-50 %."""

    title: str
    active_share: float
    requests_per_minute: float
    items_per_request: float
    request_bytes: float
    response_bytes: float
    kept_days: float
    latency_slo_s: float
    night_items: float
    bytes_per_item: float


USES: dict[str, Use] = {
    "gpt": Use(
        title=message("chat assistant"),
        active_share=0.05,
        requests_per_minute=0.5,
        items_per_request=250,
        request_bytes=2_000,
        response_bytes=1_500,
        kept_days=90,
        latency_slo_s=60,
        night_items=500_000,
        bytes_per_item=4,
    ),
    "transformer": Use(
        title="translation",
        active_share=0.02,
        requests_per_minute=0.5,
        items_per_request=60,
        request_bytes=500,
        response_bytes=500,
        kept_days=7,
        latency_slo_s=30,
        night_items=500_000,
        bytes_per_item=8,
    ),
    "bert": Use(
        title=message("search and question answering"),
        active_share=0.1,
        requests_per_minute=1,
        items_per_request=20,
        request_bytes=500,
        response_bytes=4_000,
        kept_days=7,
        latency_slo_s=10,
        night_items=20_000,
        bytes_per_item=2_000,
    ),
    "latent_diffusion": Use(
        title=message("image creation"),
        active_share=0.01,
        requests_per_minute=0.2,
        items_per_request=1,
        request_bytes=500,
        response_bytes=1_000_000,
        kept_days=90,
        latency_slo_s=300,
        night_items=1_000,
        bytes_per_item=110_000,
    ),
    "dcgan": Use(
        title=message("avatar creation"),
        active_share=0.01,
        requests_per_minute=0.2,
        items_per_request=4,
        request_bytes=200,
        response_bytes=40_000,
        kept_days=90,
        latency_slo_s=10,
        night_items=50_000,
        bytes_per_item=10_000,
    ),
    "vae": Use(
        title=message("anomaly screening of images"),
        active_share=0.01,
        requests_per_minute=6,
        items_per_request=10,
        request_bytes=100_000,
        response_bytes=1_000,
        kept_days=7,
        latency_slo_s=10,
        night_items=100_000,
        bytes_per_item=10_000,
    ),
}
OTHER = Use(
    title="requests",
    active_share=0.02,
    requests_per_minute=0.5,
    items_per_request=1,
    request_bytes=2_000,
    response_bytes=100_000,
    kept_days=30,
    latency_slo_s=60,
    night_items=1_000,
    bytes_per_item=100_000,
)
"""Assumptions for a family that the built-in demand does not know, such as a third party's."""


def default_demand(rows: Sequence[MetricRow], *, catalogue: Catalogue) -> Demand:
    """Return a service for every family measured in inference, and a nightly job for every one measured in training.

    Of several measured presets of a family the largest is used.
    """
    chosen = _largest_presets(rows)
    return Demand(
        name=message("an office of {users:,} people", users=USERS),
        services=tuple(
            _service(row, peak_factor=catalogue.constant("busy_hour_peak_factor")) for row in chosen if row.mode == "infer"
        ),
        jobs=tuple(_job(row) for row in chosen if row.mode == "train"),
        site=default_site(catalogue),
        finance=default_finance(catalogue),
        notes=(message("This demand is not measured: every rate is an assumption with an interval, to be replaced by your own."),),
    )


def _largest_presets(rows: Sequence[MetricRow]) -> list[MetricRow]:
    """Return for each family and mode the throughput row of its largest preset, in the order of the rows.

    Rows have no sizes: the preset with the lowest best throughput is taken as the largest, invalid numbers last.
    """
    best: dict[tuple[str, str, str], MetricRow] = {}
    for row in rows:
        if row.metric == "throughput" and row.value:
            key = (row.workload, row.mode, row.preset)
            # A preset is judged by its fastest valid case: batch and engine say nothing about its size.
            best[key] = max(best.get(key, row), row, key=_standing)
    largest: dict[tuple[str, str], MetricRow] = {}
    for (family, mode, _), row in best.items():
        other = largest.setdefault((family, mode), row)
        if (row.verdict == "invalid", row.value or 0.0) < (other.verdict == "invalid", other.value or 0.0):
            largest[family, mode] = row
    return list(largest.values())


def _standing(row: MetricRow) -> tuple[bool, float]:
    return row.verdict != "invalid", row.value or 0.0


def _item(row: MetricRow) -> str:
    """Return the item of a throughput in the singular: ``token`` of ``tokens/s``."""
    return row.unit.removesuffix("/s").removesuffix("s")


def _service(row: MetricRow, *, peak_factor: Estimate) -> Service:
    family, item, use = row.workload, _item(row), USES.get(row.workload, OTHER)
    return Service(
        name=f"{family}: {use.title}",
        workload=family,
        preset=row.preset,
        item=item,
        arrival=from_users(
            users=assumed(USERS, low=0.8 * USERS, high=1.2 * USERS, unit="users", source=GENERAL),
            active_share=_about(use.active_share, unit="fraction", of=message("people using {title} at one time", title=use.title)),
            requests_per_minute=_about(use.requests_per_minute, unit="request/min", of=message("requests of an active person")),
            peak_factor=peak_factor,
            duty=WORKING_SHARE,
            minutes_over_hour=peak_factor.value,
        ),
        items_per_request=_about(
            use.items_per_request, unit=f"{item}s/request", of=message("{item}s that answer one request", item=item)
        ),
        request_bytes=_about(use.request_bytes, unit="B", of="request"),
        response_bytes=_about(use.response_bytes, unit="B", of="answer"),
        kept_days=_about(use.kept_days, unit="day", of=message("days that answers are kept")),
        slo=Slo(latency_s=use.latency_slo_s),
    )


def _job(row: MetricRow) -> Job:
    family, item, use = row.workload, _item(row), USES.get(row.workload, OTHER)
    return Job(
        name=message("{family}: nightly training", family=family),
        workload=family,
        preset=row.preset,
        item=item,
        items=_about(use.night_items, unit=f"{item}s", of=message("{item}s trained on in a night", item=item)),
        window_s=NIGHT_S,
        bytes_per_item=_about(use.bytes_per_item, unit=f"B/{item}", of=message("stored size of a training {item}", item=item)),
    )


def _about(value: float, *, unit: str, of: str) -> Estimate:
    return assumed(
        value, low=0.5 * value, high=1.5 * value, unit=unit, source=message("{of}; {general}, +-50 %", of=of, general=GENERAL)
    )


def default_site(catalogue: Catalogue) -> Site:
    """Return the default server room: contained air cooling, a three-phase 32 A feed per rack, world-mean tariff and grid."""
    site = Site(
        electricity_usd_per_kwh=catalogue.electricity_price(),
        grid_g_per_kwh=catalogue.grid_intensity(),
        pue=catalogue.pue("air"),
    )
    return with_factor_keys(site, catalogue=catalogue)


def default_finance(catalogue: Catalogue) -> Finance:
    """Return the default finance: three years, published resale value of that age, and the catalogue's rates."""
    return Finance(
        discount_rate=catalogue.constant("discount_rate"),
        life_years=LIFE_YEARS,
        residual_share=catalogue.constant(f"residual_fraction_{LIFE_MONTHS}m"),
        plant_left_share=plant_left(LIFE_YEARS, catalogue=catalogue),
        space_usd_per_kw_month=catalogue.constant("colocation_usd_per_kw_month"),
        adders_share=catalogue.constant("hidden_cost_fraction"),
    )
