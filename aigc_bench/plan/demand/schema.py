"""The keys of a demand file. Every field says what it means; ``manual`` prints them as one table.

An amount is a number or ``[low, value, high]``; a share the same from 0 to 1; a duration ``90s``, ``20m``, ``8h``, ``7d``, ``3y``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import model_validator

from aigc_bench.core.records import Record, Setting
from aigc_bench.plan.demand.amounts import (
    Confidence,
    Count,
    Duration,
    Fraction,
    Names,
    Number,
    WrittenAmount,
    WrittenFactor,
    WrittenPositive,
    WrittenShare,
    documented,
)
from aigc_bench.plan.records.demand import CoolingMethod, OptionKind

ARRIVALS = ("users", "rate", "hourly_requests", "trace")


class Named(Record):
    """What runs: ``workload`` and ``preset``, or the user's own ``model``."""

    @model_validator(mode="after")
    def _one_model(self) -> Self:
        workload, preset, model = (getattr(self, key) for key in ("workload", "preset", "model"))
        if model is None and not (workload and preset):
            missing = " and ".join(key for key, given in (("workload", workload), ("preset", preset)) if not given)
            raise ValueError(f"{missing} missing; give workload and preset, or model = PATH of your own")
        return self


class WrittenSlo(Record):
    """``[service.slo]``: what a share of the requests must get."""

    ttft: Duration | None = documented("time to the first token")
    tpot: Duration | None = documented("time per further token")
    latency: Duration | None = documented("time to the last byte of the answer")
    percentile: Number = documented("share of requests that must meet it", unit="%", default=95.0, lt=100)


class WrittenService(Named):
    """``[[service]]``: a model that answers requests. One of users, rate, hourly_requests and trace says how they come."""

    name: str = documented("a name of your own", default=...)
    workload: str = documented("model family, see `aigc-bench list workloads`", default="")
    preset: str = documented("model of the family", default="")
    model: str | None = documented("your own model instead of both: a config.json or its folder, beside the demand file")
    users: WrittenAmount | None = documented("people who have the service", unit="users")
    active_share: WrittenShare | None = documented("share of them at work with it at the busy hour", unit="fraction")
    requests_per_minute: WrittenAmount | None = documented("requests of an active person", unit="request/min")
    peak_factor: WrittenPositive | None = documented("busiest minutes over the busy hour (default: catalogue)", unit="ratio")
    rate: WrittenAmount | None = documented("requests a second at the peak, where that is known", unit="request/s")
    hourly_requests: tuple[Count, ...] | None = documented("24 numbers: requests in each hour of a day", unit="request/h")
    trace: str | None = documented("CSV file with a column arrival_s, beside the demand file")
    duty: WrittenShare | None = documented("mean rate of the year over the peak rate", unit="fraction")
    input_tokens: WrittenAmount | None = documented("tokens of a prompt (language models)", unit="token")
    output_tokens: WrittenAmount | None = documented("tokens of an answer (language models)", unit="token")
    items_per_request: WrittenPositive | None = documented("items that answer one request (default 1)", unit="item/request")
    settings: Mapping[str, Setting] = documented("the family's own settings: resolution, num_inference_steps ...", default={})
    work_cv: Count | None = documented("spread of the work of a request: standard deviation over mean (default 1)", unit="ratio")
    request_kb: WrittenAmount | None = documented("size of a request", unit="kB")
    response_kb: WrittenAmount | None = documented("size of an answer", unit="kB")
    kept: Duration | None = documented("how long answers are stored (default 30 days)")
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
    items: WrittenAmount = documented("items of one run (of a language model: answers)", unit="item", default=...)
    deadline: Duration = documented("how long one run may take", default=...)
    every: Duration = documented("how often it comes", default=86400.0)
    input_tokens: WrittenAmount | None = documented("tokens of a prompt (language models)", unit="token")
    output_tokens: WrittenAmount | None = documented("tokens of an answer (language models)", unit="token")
    item_kb: WrittenAmount | None = documented("size of an item's input", unit="kB")
    response_kb: WrittenAmount | None = documented("size of an item's result", unit="kB")
    kept: Duration | None = documented("how long results are stored (default 30 days)")
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
    tokens: WrittenAmount | None = documented("tokens to train on (language models)", unit="token")
    samples: WrittenAmount | None = documented("samples to train on (other families)", unit="sample")
    deadline: Duration = documented("how long one run may take", default=...)
    every: Duration | None = documented("how often it comes (default: once, and as often as it fits)")
    sample_kb: WrittenAmount | None = documented("stored size of a sample (default: 4 bytes a token)", unit="kB")
    checkpoints_kept: WrittenAmount | None = documented("checkpoints that are kept (default: checkpoints_kept)", unit="count")
    checkpoint_stall: Duration | None = documented("longest pause that saving one may cause (default 60 s)")
    settings: Mapping[str, Setting] = documented("the family's own settings: seq_len ...", default={})
    precisions: Names = documented("number formats that are allowed", default=())

    @model_validator(mode="after")
    def _one_amount(self) -> WrittenTraining:
        if (self.tokens is None) == (self.samples is None):
            raise ValueError("give either tokens or samples")
        return self


class WrittenDataset(Record):
    """``[[dataset]]``: data that is kept; a profile of the catalogue, or a size."""

    name: str = documented("a name of your own", default=...)
    profile: str | None = documented("a public data set: imagenet_1k, librispeech_960h, bookcorpus")
    size_gb: WrittenAmount | None = documented("size, where it is no public one", unit="GB")
    copies: WrittenAmount | None = documented("copies that are kept (default: dataset_copies)", unit="count")

    @model_validator(mode="after")
    def _one_size(self) -> WrittenDataset:
        if (self.profile is None) == (self.size_gb is None):
            raise ValueError("give either profile or size_gb")
        return self


class WrittenSite(Record):
    """``[site]``: where the machines stand. What is left out is unknown, and the factor that needs it says so."""

    region: str | None = documented("country, state or cloud region: tariff and carbon of the grid")
    power_kw: WrittenAmount | None = documented("power that the site gives to IT", unit="kW")
    racks: int | None = documented("racks there is room for", unit="racks", ge=0)
    rack_kw: WrittenPositive | None = documented("continuous rating of a rack's feed (default: three-phase 32 A)", unit="kW")
    rack_cooling_kw: WrittenPositive | None = documented("heat a rack can give away (default: by cooling)", unit="kW")
    rack_units: int = documented("height of a rack", unit="U", default=42, gt=0, le=100)
    cooling: CoolingMethod = documented("air, rear_door, direct_liquid or immersion", default="air")
    inlet_c: Number | None = documented("highest temperature of the supplied air", unit="degC")
    floor_kg_per_m2: Number | None = documented("load that the floor carries", unit="kg/m2")
    pue: WrittenFactor | None = documented("power of the site over power of IT (default: by cooling)", unit="ratio")
    electricity_usd_per_kwh: WrittenAmount | None = documented("tariff (default: by region)", unit="USD/kWh")
    demand_charge_usd_per_kw_month: WrittenAmount | None = documented("charge on a month's highest draw", unit="USD/kW-month")
    grid_g_per_kwh: WrittenAmount | None = documented("carbon of the grid (default: by region)", unit="gCO2e/kWh")
    uplink_gbit_per_s: WrittenAmount | None = documented("link to the users (default: unknown)", unit="Gbit/s")
    store_tb: WrittenAmount | None = documented("shared storage that is there (default: it is bought)", unit="TB")
    store_gb_per_s: WrittenAmount | None = documented("what that storage reads and writes", unit="GB/s")


class WrittenColocation(Record):
    """``[colocation]``: what a provider sells. It is rented, so its limits hold there, not those of the site."""

    rack_kw: WrittenPositive | None = documented("power and heat of a rack (default: by the cooling of the servers)", unit="kW")
    cooling: CoolingMethod | None = documented("what its racks have (default: what each server is built for)")
    power_kw: WrittenAmount | None = documented("power that can be had for IT (default: enough)", unit="kW")
    racks: int | None = documented("racks that can be had (default: enough)", unit="racks", ge=0)
    rack_units: int = documented("height of a rack", unit="U", default=42, gt=0, le=100)
    uplink_gbit_per_s: WrittenAmount | None = documented("link to the users (default: enough)", unit="Gbit/s")


class WrittenFinance(Record):
    """``[finance]``: what money costs. No taxes."""

    currency: Literal["USD"] = documented("currency of every amount", default="USD")
    discount_rate: WrittenShare | None = documented("interest a year (default: discount_rate)", unit="fraction/year")
    life: Duration = documented("years that the servers are used", default=3 * 365.25 * 86400.0)
    residual_share: WrittenShare | None = documented("resale value over purchase (default: by life)", unit="fraction")
    space_usd_per_kw_month: WrittenAmount | None = documented("space and cooling plant, or colocation", unit="USD/kW-month")
    adders_share: WrittenShare | None = documented("freight, support, spares over the rest", unit="fraction")
    staff_usd_per_year: WrittenAmount | None = documented("people who run it (default: none counted)", unit="USD/year")


class WrittenConstraints(Record):
    """``[constraints]``: what may not be done."""

    budget_usd: Number | None = documented("most that may be paid for hardware", unit="USD")
    budget_usd_per_year: Number | None = documented("most that a year may cost, purchase spread over its life", unit="USD/year")
    vendors: Names = documented("vendors of accelerators that are allowed", default=())
    accelerators: Names = documented("accelerators that are allowed, any spelling", default=())
    without: tuple[OptionKind, ...] = documented("kinds that are not wanted: owned, colocated, cloud, api", default=())
    no_cloud: bool = documented("true: neither cloud nor commercial API", default=False)
    confidence: Confidence = documented(
        "how sure SLOs and deadlines are to be kept; 0 plans for the middle of every interval", unit="fraction", default=0.8
    )


class WrittenDemand(Record):
    """The top of the file."""

    name: str = documented("what this demand is called", default=...)
    availability: Fraction = documented("share of the time that capacity must be there", default=0.999)
    growth_per_year: WrittenAmount | None = documented("growth of all rates a year, 0.3 is 30 %", unit="fraction/year")
    horizon: Duration | None = documented("how far ahead capacity is bought (default: today's demand)")
    service: tuple[WrittenService, ...] = documented("services", default=())
    batch: tuple[WrittenBatch, ...] = documented("batch jobs", default=())
    training: tuple[WrittenTraining, ...] = documented("training and fine-tuning jobs", default=())
    dataset: tuple[WrittenDataset, ...] = documented("data sets that are kept", default=())
    site: WrittenSite = documented("the site", default=WrittenSite())
    colocation: WrittenColocation = documented("a colocation", default=WrittenColocation())
    finance: WrittenFinance = documented("money", default=WrittenFinance())
    constraints: WrittenConstraints = documented("limits", default=WrittenConstraints())
