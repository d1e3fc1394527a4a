"""The keys of a demand file. Every field says what it means; ``manual`` prints them as one table.

An amount is a number or ``[low, value, high]``; a share the same from 0 to 1; a duration ``90s``, ``20m``, ``8h``, ``7d``, ``3y``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import model_validator

from aigc_bench.core.records import Setting
from aigc_bench.plan.demand.amounts import (
    DAY_S,
    YEAR_S,
    Duration,
    Flag,
    Names,
    Number,
    Table,
    Whole,
    WrittenAmount,
    between,
    documented,
    lasting,
    zero_or,
)
from aigc_bench.plan.records.demand import CoolingMethod, OptionKind

ARRIVALS = ("users", "rate", "hourly_requests", "trace")


class Named(Table):
    """What runs: ``workload`` and ``preset``, or the user's own ``model``."""

    @model_validator(mode="after")
    def _one_model(self) -> Self:
        workload, preset, model = (getattr(self, key) for key in ("workload", "preset", "model"))
        if model is None and not (workload and preset):
            missing = " and ".join(key for key, given in (("workload", workload), ("preset", preset)) if not given)
            raise ValueError(f"{missing} missing; give workload and preset, or model = PATH of your own")
        return self


class WrittenSlo(Table):
    """``[service.slo]``: what a share of the requests must get."""

    ttft: Duration | None = documented("time to the first token", limits=lasting(1e-6, 30 * DAY_S))
    tpot: Duration | None = documented("time per further token", limits=lasting(1e-6, DAY_S))
    latency: Duration | None = documented("time to the last byte of the answer", limits=lasting(1e-6, 365 * DAY_S))
    percentile: Number = documented("share of requests that must meet it", unit="%", limits=between(1, 99.99), default=95.0)


class WrittenService(Named):
    """``[[service]]``: a model that answers requests. One of users, rate, hourly_requests and trace says how they come."""

    name: str = documented("a name of your own", default=...)
    workload: str = documented("model family, see `aigc-bench list workloads`", default="")
    preset: str = documented("model of the family", default="")
    model: str | None = documented("your own model instead of both: a config.json or its folder, beside the demand file")
    users: WrittenAmount | None = documented("people who have the service", unit="users", limits=zero_or(1, 1e10))
    active_share: WrittenAmount | None = documented(
        "share of them at work with it at the busy hour", unit="fraction", limits=zero_or(1e-6, 1)
    )
    requests_per_minute: WrittenAmount | None = documented(
        "requests of an active person", unit="request/min", limits=zero_or(1e-6, 1e4)
    )
    peak_factor: WrittenAmount | None = documented(
        "busiest minutes over the busy hour (default: catalogue)", unit="ratio", limits=between(1, 1000)
    )
    rate: WrittenAmount | None = documented(
        "requests a second at the peak, where that is known", unit="request/s", limits=zero_or(1e-6, 1e7)
    )
    hourly_requests: tuple[Number, ...] | None = documented(
        "24 numbers: requests in each hour of a day", unit="request/h", limits=zero_or(1e-3, 1e10)
    )
    trace: str | None = documented("CSV file with a column arrival_s, beside the demand file")
    duty: WrittenAmount | None = documented("mean rate of the year over the peak rate", unit="fraction", limits=zero_or(1e-6, 1))
    input_tokens: WrittenAmount | None = documented("tokens of a prompt (language models)", unit="token", limits=between(1, 1e7))
    output_tokens: WrittenAmount | None = documented("tokens of an answer (language models)", unit="token", limits=between(1, 1e7))
    items_per_request: WrittenAmount | None = documented(
        "items that answer one request (default 1)", unit="item/request", limits=between(1e-3, 1e6)
    )
    settings: Mapping[str, Setting] = documented("the family's own settings: resolution, num_inference_steps ...", default={})
    work_cv: Number | None = documented(
        "spread of the work of a request: standard deviation over mean (default 1)", unit="ratio", limits=zero_or(1e-3, 100)
    )
    request_kb: WrittenAmount | None = documented("size of a request", unit="kB", limits=zero_or(1e-3, 1e9))
    response_kb: WrittenAmount | None = documented("size of an answer", unit="kB", limits=zero_or(1e-3, 1e9))
    kept: Duration | None = documented("how long answers are stored (default 30 days)", limits=lasting(1, 100 * YEAR_S))
    slo: WrittenSlo = documented("what requests must get", default=WrittenSlo())
    precisions: Names = documented("number formats that are allowed (default: all that the engines have)", default=())
    engines: Names = documented("engines that are allowed (default: all)", default=())
    api_model: str | None = documented("commercial model that would answer instead, by its name in api_prices")

    @model_validator(mode="after")
    def _one_arrival(self) -> WrittenService:
        given = [key for key in ARRIVALS if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of {', '.join(ARRIVALS)}; there {'is none' if not given else 'are ' + ' and '.join(given)}")
        if given == ["users"] and (self.active_share is None or self.requests_per_minute is None):
            raise ValueError("users needs active_share and requests_per_minute beside it")
        if self.hourly_requests is not None and len(self.hourly_requests) != 24:
            raise ValueError(f"hourly_requests has {len(self.hourly_requests)} numbers; a day has 24 hours")
        return self


class WrittenBatch(Named):
    """``[[batch]]``: items that must be done by a deadline, again and again."""

    name: str = documented("a name of your own", default=...)
    workload: str = documented("model family", default="")
    preset: str = documented("model of the family", default="")
    model: str | None = documented("your own model instead of both: a config.json or its folder")
    items: WrittenAmount = documented(
        "items of one run (of a language model: answers)", unit="item", limits=zero_or(1e-3, 1e15), default=...
    )
    deadline: Duration = documented("how long one run may take", limits=lasting(1, 10 * YEAR_S), default=...)
    every: Duration = documented("how often it comes", limits=lasting(1, 10 * YEAR_S), default=DAY_S)
    input_tokens: WrittenAmount | None = documented("tokens of a prompt (language models)", unit="token", limits=between(1, 1e7))
    output_tokens: WrittenAmount | None = documented("tokens of an answer (language models)", unit="token", limits=between(1, 1e7))
    item_kb: WrittenAmount | None = documented("size of an item's input", unit="kB", limits=zero_or(1e-3, 1e9))
    response_kb: WrittenAmount | None = documented("size of an item's result", unit="kB", limits=zero_or(1e-3, 1e9))
    kept: Duration | None = documented("how long results are stored (default 30 days)", limits=lasting(1, 100 * YEAR_S))
    settings: Mapping[str, Setting] = documented("the family's own settings", default={})
    precisions: Names = documented("number formats that are allowed", default=())
    engines: Names = documented("engines that are allowed", default=())


class WrittenTraining(Named):
    """``[[training]]``: a model is trained or fine-tuned by a deadline."""

    name: str = documented("a name of your own", default=...)
    workload: str = documented("model family", default="")
    preset: str = documented("model of the family", default="")
    model: str | None = documented("your own model instead of both: a config.json or its folder")
    method: Literal["pretraining", "full", "lora"] = documented(
        "pretraining, full fine-tuning, or low-rank adapters beside frozen weights", default="full"
    )
    tokens: WrittenAmount | None = documented("tokens to train on (language models)", unit="token", limits=zero_or(1, 1e16))
    samples: WrittenAmount | None = documented("samples to train on (other families)", unit="sample", limits=zero_or(1, 1e15))
    deadline: Duration = documented("how long one run may take", limits=lasting(1, 10 * YEAR_S), default=...)
    every: Duration | None = documented(
        "how often it comes (default: once, and as often as it fits)", limits=lasting(1, 10 * YEAR_S)
    )
    sample_kb: WrittenAmount | None = documented(
        "stored size of a sample (default: 4 bytes a token)", unit="kB", limits=zero_or(1e-3, 1e9)
    )
    checkpoints_kept: WrittenAmount | None = documented(
        "checkpoints that are kept (default: checkpoints_kept)", unit="count", limits=zero_or(1, 1e4)
    )
    checkpoint_stall: Duration | None = documented(
        "longest pause that saving one may cause (default 60 s)", limits=lasting(1e-3, DAY_S)
    )
    settings: Mapping[str, Setting] = documented("the family's own settings: seq_len ...", default={})
    precisions: Names = documented("number formats that are allowed", default=())

    @model_validator(mode="after")
    def _one_amount(self) -> WrittenTraining:
        if (self.tokens is None) == (self.samples is None):
            raise ValueError("give either tokens or samples")
        return self


class WrittenDataset(Table):
    """``[[dataset]]``: data that is kept; a profile of the catalogue, or a size."""

    name: str = documented("a name of your own", default=...)
    profile: str | None = documented("a public data set: imagenet_1k, librispeech_960h, bookcorpus")
    size_gb: WrittenAmount | None = documented("size, where it is no public one", unit="GB", limits=zero_or(1e-6, 1e9))
    copies: WrittenAmount | None = documented(
        "copies that are kept (default: dataset_copies)", unit="count", limits=zero_or(1, 100)
    )

    @model_validator(mode="after")
    def _one_size(self) -> WrittenDataset:
        if (self.profile is None) == (self.size_gb is None):
            raise ValueError("give either profile or size_gb")
        return self


class WrittenSite(Table):
    """``[site]``: where the machines stand. What is left out is unknown, and the factor that needs it says so."""

    region: str | None = documented("country, state or cloud region: tariff and carbon of the grid")
    power_kw: WrittenAmount | None = documented("power that the site gives to IT", unit="kW", limits=zero_or(1e-3, 1e7))
    racks: Whole | None = documented("racks there is room for", unit="racks", limits=between(0, 1e6))
    rack_kw: WrittenAmount | None = documented(
        "continuous rating of a rack's feed (default: three-phase 32 A)", unit="kW", limits=between(0.01, 1e4)
    )
    rack_cooling_kw: WrittenAmount | None = documented(
        "heat a rack can give away (default: by cooling)", unit="kW", limits=between(0.01, 1e4)
    )
    rack_units: Whole = documented("height of a rack", unit="U", limits=between(1, 100), default=42)
    cooling: CoolingMethod = documented("air, rear_door, direct_liquid or immersion", default="air")
    inlet_c: Number | None = documented("highest temperature of the supplied air", unit="degC", limits=between(1, 60))
    floor_kg_per_m2: Number | None = documented("load that the floor carries", unit="kg/m2", limits=between(10, 1e5))
    pue: WrittenAmount | None = documented(
        "power of the site over power of IT (default: by cooling)", unit="ratio", limits=between(1, 10)
    )
    electricity_usd_per_kwh: WrittenAmount | None = documented(
        "tariff (default: by region)", unit="USD/kWh", limits=zero_or(1e-4, 100)
    )
    demand_charge_usd_per_kw_month: WrittenAmount | None = documented(
        "charge on a month's highest draw", unit="USD/kW-month", limits=zero_or(1e-3, 1e4)
    )
    grid_g_per_kwh: WrittenAmount | None = documented(
        "carbon of the grid (default: by region)", unit="gCO2e/kWh", limits=zero_or(0.01, 1e4)
    )
    uplink_gbit_per_s: WrittenAmount | None = documented(
        "link to the users (default: unknown)", unit="Gbit/s", limits=zero_or(1e-6, 1e6)
    )
    store_tb: WrittenAmount | None = documented(
        "shared storage that is there (default: it is bought)", unit="TB", limits=zero_or(1e-6, 1e7)
    )
    store_gb_per_s: WrittenAmount | None = documented("what that storage reads and writes", unit="GB/s", limits=zero_or(1e-6, 1e6))


class WrittenColocation(Table):
    """``[colocation]``: what a provider sells. It is rented, so its limits hold there, not those of the site."""

    rack_kw: WrittenAmount | None = documented(
        "power and heat of a rack (default: by the cooling of the servers)", unit="kW", limits=between(0.01, 1e4)
    )
    cooling: CoolingMethod | None = documented("what its racks have (default: what each server is built for)")
    power_kw: WrittenAmount | None = documented(
        "power that can be had for IT (default: enough)", unit="kW", limits=zero_or(1e-3, 1e7)
    )
    racks: Whole | None = documented("racks that can be had (default: enough)", unit="racks", limits=between(0, 1e6))
    rack_units: Whole = documented("height of a rack", unit="U", limits=between(1, 100), default=42)
    uplink_gbit_per_s: WrittenAmount | None = documented(
        "link to the users (default: enough)", unit="Gbit/s", limits=zero_or(1e-6, 1e6)
    )


class WrittenFinance(Table):
    """``[finance]``: what money costs. No taxes."""

    currency: Literal["USD"] = documented("currency of every amount", default="USD")
    discount_rate: WrittenAmount | None = documented(
        "interest a year (default: discount_rate)", unit="fraction/year", limits=zero_or(1e-6, 1)
    )
    life: Duration = documented("years that the servers are used", limits=lasting(30 * DAY_S, 30 * YEAR_S), default=3 * YEAR_S)
    residual_share: WrittenAmount | None = documented(
        "resale value over purchase (default: by life)", unit="fraction", limits=zero_or(1e-6, 1)
    )
    space_usd_per_kw_month: WrittenAmount | None = documented(
        "space and cooling plant, or colocation", unit="USD/kW-month", limits=zero_or(1e-3, 1e5)
    )
    adders_share: WrittenAmount | None = documented(
        "freight, support, spares over the rest", unit="fraction", limits=zero_or(1e-6, 1)
    )
    staff_usd_per_year: WrittenAmount | None = documented(
        "people who run it (default: none counted)", unit="USD/year", limits=zero_or(1, 1e12)
    )


class WrittenConstraints(Table):
    """``[constraints]``: what may not be done."""

    budget_usd: Number | None = documented("most that may be paid for hardware", unit="USD", limits=between(1, 1e15))
    budget_usd_per_year: Number | None = documented(
        "most that a year may cost, purchase spread over its life", unit="USD/year", limits=between(1, 1e15)
    )
    vendors: Names = documented("vendors of accelerators that are allowed", default=())
    accelerators: Names = documented("accelerators that are allowed, any spelling", default=())
    without: tuple[OptionKind, ...] = documented("kinds that are not wanted: owned, colocated, cloud, api", default=())
    no_cloud: Flag = documented("true: neither cloud nor commercial API", default=False)
    confidence: Number = documented(
        "how sure SLOs and deadlines are to be kept; 0 plans for the middle of every interval",
        unit="fraction",
        limits=zero_or(0.01, 0.99),
        default=0.8,
    )


class WrittenDemand(Table):
    """The top of the file."""

    name: str = documented("what this demand is called", default=...)
    availability: Number = documented(
        "share of the time that capacity must be there", limits=between(0.5, 0.9999999), default=0.999
    )
    growth_per_year: WrittenAmount | None = documented(
        "growth of all rates a year, 0.3 is 30 %", unit="fraction/year", limits=zero_or(1e-4, 10)
    )
    horizon: Duration | None = documented(
        "how far ahead capacity is bought (default: today's demand)", limits=lasting(DAY_S, 30 * YEAR_S)
    )
    service: tuple[WrittenService, ...] = documented("services", default=())
    batch: tuple[WrittenBatch, ...] = documented("batch jobs", default=())
    training: tuple[WrittenTraining, ...] = documented("training and fine-tuning jobs", default=())
    dataset: tuple[WrittenDataset, ...] = documented("data sets that are kept", default=())
    site: WrittenSite = documented("the site", default=WrittenSite())
    colocation: WrittenColocation = documented("a colocation", default=WrittenColocation())
    finance: WrittenFinance = documented("money", default=WrittenFinance())
    constraints: WrittenConstraints = documented("limits", default=WrittenConstraints())
