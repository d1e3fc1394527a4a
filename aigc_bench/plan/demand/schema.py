"""Define the keys of a demand file. Every field has a description; ``manual`` prints them as one table.

An amount is a number or ``[low, value, high]``; a share the same from 0 to 1; a duration ``90s``, ``20m``, ``8h``, ``7d``, ``3y``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import model_validator

from aigc_bench.core.messages import message
from aigc_bench.core.records import Setting
from aigc_bench.plan.demand.amounts import (
    DAY_S,
    YEAR_S,
    Duration,
    Flag,
    LongDuration,
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
from aigc_bench.plan.demand.arrivals_schema import NamedTable, OneArrival
from aigc_bench.plan.demand.chains_schema import WrittenPostTraining, WrittenRag
from aigc_bench.plan.demand.serving_schema import WrittenEngineOptions
from aigc_bench.plan.demand.slo_schema import WrittenSlo
from aigc_bench.plan.demand.supply_schema import WrittenOwned, WrittenQuote
from aigc_bench.plan.records.demand import CoolingMethod, Goal, OptionKind, RiskMeasure


class OneModel(NamedTable):
    """What runs: ``workload`` and ``preset``, or the user's own ``model``."""

    workload: str = documented(message("model family, see `aigc-bench list workloads`"), default="")
    preset: str = documented(message("model of the family"), default="")
    model: str | None = documented(
        message("your own model instead of both: a config.json or its folder, relative to the demand file")
    )

    @model_validator(mode="after")
    def _one_model(self) -> Self:
        if self.model is None and not (self.workload and self.preset):
            # Checked here because pydantic knows no "either these two or that one".
            missing = " and ".join(key for key, given in (("workload", self.workload), ("preset", self.preset)) if not given)
            raise ValueError(message("{missing} missing; give workload and preset, or model = PATH of your own", missing=missing))
        return self


class WrittenService(OneArrival, OneModel):
    """``[[service]]``: a model that answers requests; one of users, rate, hourly_requests and trace gives the arrivals."""

    trace: str | None = documented(message("CSV file with a column arrival_s, relative to the demand file"))
    input_tokens: WrittenAmount | None = documented(
        message("tokens per prompt (language models)"), unit="token", limits=between(1, 1e7)
    )
    output_tokens: WrittenAmount | None = documented(
        message("tokens per response (language models)"), unit="token", limits=between(1, 1e7)
    )
    turns: Number | None = documented(
        message("turns of a conversation: each prompt holds those before it, input_tokens are new (default 1)"),
        unit="request/conversation",
        limits=between(1, 1000),
    )
    think_time: Duration | None = documented(
        message("time from an answer to the next turn, for which its cache is kept (default 0 s)"), limits=lasting(1e-3, DAY_S)
    )
    items_per_request: WrittenAmount | None = documented(
        message("items per response (default 1)"), unit="item/request", limits=between(1e-3, 1e6)
    )
    settings: Mapping[str, Setting] = documented(
        message("settings of the model family: resolution, num_inference_steps ..."), default={}
    )
    # 1 is an exponential distribution, for which M/G/c is M/M/c.
    work_cv: Number | None = documented(
        message("CV of the work per request: standard deviation over mean (default 1)"), unit="ratio", limits=zero_or(1e-3, 100)
    )
    request_kb: WrittenAmount | None = documented(message("request size"), unit="kB", limits=zero_or(1e-3, 1e9))
    response_kb: WrittenAmount | None = documented(message("response size"), unit="kB", limits=zero_or(1e-3, 1e9))
    kept: LongDuration | None = documented(message("retention of responses (default 30 days)"), limits=lasting(1, 100 * YEAR_S))
    min_replicas: Whole | None = documented(
        message("replicas that run at all hours (default 1)"), unit="count", limits=between(1, 1e5)
    )
    max_replicas: Whole | None = documented(
        message("replicas at most; a plan that needs more is refused"), unit="count", limits=between(1, 1e5)
    )
    engine_options: WrittenEngineOptions | None = documented(message("options of the serving engine"))
    slo: WrittenSlo = documented("the SLO", default=WrittenSlo())
    precisions: Names = documented(message("allowed precisions (default: all that the engines support)"), default=())
    engines: Names = documented(message("allowed engines (default: all)"), default=())
    api_model: str | None = documented(message("commercial model that can replace it, by its name in api_prices"))


class WrittenBatch(OneModel):
    """``[[batch]]``: a recurring batch inference job with a deadline."""

    items: WrittenAmount = documented(
        message("items per run (language models: responses)"), unit="item", limits=zero_or(1e-3, 1e15), default=...
    )
    deadline: LongDuration = documented(message("time limit of one run"), limits=lasting(1, 10 * YEAR_S), default=...)
    every: LongDuration = documented(message("interval between runs"), limits=lasting(1, 10 * YEAR_S), default=DAY_S)
    input_tokens: WrittenAmount | None = documented(
        message("tokens per prompt (language models)"), unit="token", limits=between(1, 1e7)
    )
    output_tokens: WrittenAmount | None = documented(
        message("tokens per response (language models)"), unit="token", limits=between(1, 1e7)
    )
    item_kb: WrittenAmount | None = documented(message("input size per item"), unit="kB", limits=zero_or(1e-3, 1e9))
    response_kb: WrittenAmount | None = documented(message("result size per item"), unit="kB", limits=zero_or(1e-3, 1e9))
    kept: LongDuration | None = documented(message("retention of results (default 30 days)"), limits=lasting(1, 100 * YEAR_S))
    settings: Mapping[str, Setting] = documented(message("settings of the model family"), default={})
    engine_options: WrittenEngineOptions | None = documented(message("options of the serving engine"))
    precisions: Names = documented(message("allowed precisions"), default=())
    engines: Names = documented(message("allowed engines"), default=())


class WrittenTraining(OneModel):
    """``[[training]]``: training or fine-tuning with a deadline."""

    method: Literal["pretraining", "full", "lora"] = documented(
        message("pretraining, full fine-tuning, or LoRA: low-rank adapters with frozen weights"), default="full"
    )
    tokens: WrittenAmount | None = documented(
        message("tokens to train on (language models)"), unit="token", limits=zero_or(1, 1e16)
    )
    samples: WrittenAmount | None = documented(
        message("samples to train on (other families)"), unit="sample", limits=zero_or(1, 1e15)
    )
    deadline: LongDuration = documented(message("time limit of one run"), limits=lasting(1, 10 * YEAR_S), default=...)
    # A single run needs machines for its window only: what is bought is paid for the whole life all the same.
    every: LongDuration | None = documented(
        message("interval between runs (default: one run in the life of the servers)"), limits=lasting(1, 10 * YEAR_S)
    )
    sample_kb: WrittenAmount | None = documented(
        message("stored size per sample (default: 4 bytes per token)"), unit="kB", limits=zero_or(1e-3, 1e9)
    )
    checkpoints_kept: WrittenAmount | None = documented(
        message("checkpoints to keep (default: checkpoints_kept)"), unit="count", limits=zero_or(1, 1e4)
    )
    checkpoint_stall: Duration | None = documented(
        message("longest pause to save a checkpoint (default 60 s)"), limits=lasting(1e-3, DAY_S)
    )
    settings: Mapping[str, Setting] = documented(message("settings of the model family: seq_len ..."), default={})
    precisions: Names = documented(message("allowed precisions"), default=())

    @model_validator(mode="after")
    def _one_amount(self) -> WrittenTraining:
        if (self.tokens is None) == (self.samples is None):
            raise ValueError(message("give either tokens or samples"))
        return self


class WrittenDataset(NamedTable):
    """``[[dataset]]``: stored data; a profile of the catalogue, or a size."""

    profile: str | None = documented(message("public data set: imagenet_1k, librispeech_960h, bookcorpus"))
    size_gb: WrittenAmount | None = documented(
        message("size, if it is not a public data set"), unit="GB", limits=zero_or(1e-6, 1e9)
    )
    copies: WrittenAmount | None = documented(
        message("copies to keep (default: dataset_copies)"), unit="count", limits=zero_or(1, 100)
    )

    @model_validator(mode="after")
    def _one_size(self) -> WrittenDataset:
        if (self.profile is None) == (self.size_gb is None):
            raise ValueError(message("give either profile or size_gb"))
        return self


class WrittenSite(Table):
    """``[site]``: the location of the machines; a missing key is unknown, and the factor that needs it reports that.

    Its keys of power, cooling, network, storage and water are declared in the files of these factors (``plan.factors``).
    """

    region: str | None = documented(message("country, state or cloud region; sets tariff and grid carbon intensity"))
    racks: Whole | None = documented(message("racks that fit"), unit="racks", limits=between(0, 1e6))
    rack_units: Whole = documented(message("height of a rack"), unit="U", limits=between(1, 100), default=42)
    cooling: CoolingMethod = documented(message("air, rear_door, direct_liquid or immersion"), default="air")
    floor_kg_per_m2: Number | None = documented(message("floor load limit"), unit="kg/m2", limits=between(10, 1e5))
    redundancy: Literal["N", "N+1", "2N"] | None = documented(
        message("redundancy of feeds, UPS and cooling: N, N+1 or 2N (default: N for one server, else N+1)")
    )
    server_room: Flag = documented(
        message("true gives desktops and single servers racks, UPS, cooling plant and switches, too"), default=False
    )
    pue: WrittenAmount | None = documented(
        message("site power over IT power (default: by cooling)"), unit="ratio", limits=between(1, 10)
    )
    electricity_usd_per_kwh: WrittenAmount | None = documented(
        message("tariff (default: by region)"), unit="USD/kWh", limits=zero_or(1e-4, 100)
    )
    electricity_per_kwh: WrittenAmount | None = documented(
        message("tariff in the currency of [finance], instead of electricity_usd_per_kwh"),
        unit="currency/kWh",
        limits=zero_or(1e-4, 1e4),
    )
    demand_charge_usd_per_kw_month: WrittenAmount | None = documented(
        message("charge on the peak power of a month"), unit="USD/kW-month", limits=zero_or(1e-3, 1e4)
    )
    grid_g_per_kwh: WrittenAmount | None = documented(
        message("grid carbon intensity (default: by region)"), unit="gCO2e/kWh", limits=zero_or(0.01, 1e4)
    )


class WrittenColocation(Table):
    """``[colocation]``: rented space; its limits apply there, not those of the site.

    Its keys of power, heat and network are declared in the files of these factors (``plan.factors``).
    """

    cooling: CoolingMethod | None = documented(message("cooling method of its racks (default: as each server requires)"))
    racks: Whole | None = documented(message("available racks (default: unlimited)"), unit="racks", limits=between(0, 1e6))
    rack_units: Whole = documented(message("height of a rack"), unit="U", limits=between(1, 100), default=42)


class WrittenFinance(Table):
    """``[finance]``: cost of capital and rates, before tax."""

    currency: str = documented(
        message("currency in which money is shown: USD, EUR, CNY ... (keys that end in _usd stay USD)"), default="USD"
    )
    vat: Number | None = documented(
        message("tax that is shown on top of totals, 0.19 is 19 %"), unit="fraction", limits=zero_or(1e-3, 0.5)
    )
    discount_rate: WrittenAmount | None = documented(
        message("interest per year (default: discount_rate)"), unit="fraction/year", limits=zero_or(1e-6, 1)
    )
    life: LongDuration = documented(
        message("service life of the servers"), limits=lasting(30 * DAY_S, 30 * YEAR_S), default=3 * YEAR_S
    )
    residual_share: WrittenAmount | None = documented(
        message("resale value over purchase price (default: by life)"), unit="fraction", limits=zero_or(1e-6, 1)
    )
    space_usd_per_kw_month: WrittenAmount | None = documented(
        message("rent of space with cooling plant, or of colocation"), unit="USD/kW-month", limits=zero_or(1e-3, 1e5)
    )
    adders_share: WrittenAmount | None = documented(
        message("freight, support and spares, as a share of the other costs"), unit="fraction", limits=zero_or(1e-6, 1)
    )
    staff_usd_per_year: WrittenAmount | None = documented(
        message("operating staff (default: none counted)"), unit="USD/year", limits=zero_or(1, 1e12)
    )


class WrittenConstraints(Table):
    """``[constraints]``: budgets, exclusions and the confidence."""

    budget_usd: Number | None = documented(message("upper limit of the hardware purchase"), unit="USD", limits=between(1, 1e15))
    budget: Number | None = documented(
        message("the same in the currency of [finance], instead of budget_usd"), unit="currency", limits=between(1, 1e17)
    )
    budget_per_year: Number | None = documented(
        message("the same in the currency of [finance], instead of budget_usd_per_year"),
        unit="currency/year",
        limits=between(1, 1e17),
    )
    budget_usd_per_year: Number | None = documented(
        message("upper limit per year, with the purchase spread over its life"), unit="USD/year", limits=between(1, 1e15)
    )
    vendors: Names = documented(message("allowed vendors of accelerators"), default=())
    accelerators: Names = documented(message("allowed accelerators, any spelling"), default=())
    without: tuple[OptionKind, ...] = documented(message("excluded kinds: owned, colocated, cloud, api"), default=())
    providers: Names = documented(message("allowed providers of rents and APIs (default: all)"), default=())
    regions: Names = documented(
        message("allowed regions of rents, by their beginning or country: europe-west, paris, EU, DE"), default=()
    )
    data_residency: str | None = documented(
        message("where data may be kept: EU, EEA, US, CA, UK, CH, CN, JP or IN; also refuses what states no region")
    )
    no_cloud: Flag = documented(message("true excludes cloud and commercial APIs"), default=False)
    exclude_export_controlled: Flag = documented(
        message("true leaves out parts that need an export licence for the site's country, or might"), default=False
    )
    confidence: Number = documented(
        message("share of Monte Carlo scenarios that must meet the SLOs; 0 plans for central values"),
        unit="fraction",
        limits=zero_or(0.01, 0.99),
        default=0.8,
    )
    risk: RiskMeasure = documented(
        message("what options are ranked by: expected cost, p90 of the cost, or expected regret"), default="expected"
    )


class WrittenDemand(Table):
    """The top of the file."""

    name: str = documented(message("name of the demand"), default=...)
    goal: Goal = documented(
        message("least cost for the demand, or most requests: the largest multiple of it within budget, power and racks"),
        default="least cost",
    )
    # Below 1: no number of spares makes failures impossible.
    availability: Number = documented(
        message("share of the time with the full capacity in service"), limits=between(0.5, 0.9999999), default=0.999
    )
    growth_per_year: WrittenAmount | None = documented(
        message("growth of all rates per year, 0.3 is 30 %"), unit="fraction/year", limits=zero_or(1e-4, 10)
    )
    horizon: LongDuration | None = documented(
        message("planning horizon for growth (default: today's demand)"), limits=lasting(DAY_S, 30 * YEAR_S)
    )
    service: tuple[WrittenService, ...] = documented("services", default=())
    batch: tuple[WrittenBatch, ...] = documented(message("batch jobs"), default=())
    training: tuple[WrittenTraining, ...] = documented(message("training and fine-tuning jobs"), default=())
    rag: tuple[WrittenRag, ...] = documented(message("retrieval-augmented generation"), default=())
    post_training: tuple[WrittenPostTraining, ...] = documented(message("training by reinforcement"), default=())
    dataset: tuple[WrittenDataset, ...] = documented(message("stored data sets"), default=())
    owned: tuple[WrittenOwned, ...] = documented(message("machines that are there already"), default=())
    quote: tuple[WrittenQuote, ...] = documented(message("vendors' quotes"), default=())
    site: WrittenSite = documented(message("the site"), default=WrittenSite())
    colocation: WrittenColocation = documented("a colocation", default=WrittenColocation())
    finance: WrittenFinance = documented("finance", default=WrittenFinance())
    constraints: WrittenConstraints = documented("limits", default=WrittenConstraints())
