"""The demand: services, jobs, data, a site, money and limits.

Rates and sizes are Estimates, so that a stated guess carries its interval and its source into every figure. ``None`` is unknown
or unlimited, as each field says; it is never zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Estimate, Mode, OwnModel, Record, Setting
from aigc_bench.core.units import Currency
from aigc_bench.plan.records.chains import Chain
from aigc_bench.plan.records.owned import Owned
from aigc_bench.plan.records.quote import Quote
from aigc_bench.plan.site.power_chain import DESIGN_RISE_K, Redundancy
from aigc_bench.predict.closed_form.engine_options import EngineOptions

JobKind = Literal["batch", "training", "finetuning"]
CoolingMethod = Literal["air", "rear_door", "direct_liquid", "immersion"]
Goal = Literal["least cost", "most requests"]
OptionKind = Literal["owned", "colocated", "cloud", "api"]
RiskMeasure = Literal["expected", "p90", "regret"]
"""What options are ranked by: the mean of their cost over the scenarios, its 90th percentile, or their expected regret."""


class Arrival(Record):
    """How requests arrive: ``peak_requests_per_s``, computed by ``formula`` from ``parts``.

    ``duty`` is the mean rate over the whole year divided by the peak rate. ``hourly`` holds 24 shares of the peak where the
    hourly profile is known. ``day`` holds the 24 shares that rented capacity follows: the known profile, else the default
    day curve of that duty (``demand.arrival_rates``). ``cv2`` is the squared coefficient of variation of interarrival times
    (1: Poisson).
    """

    peak_requests_per_s: Estimate
    duty: Estimate
    formula: Sentence
    parts: Mapping[Sentence, Estimate] = Field(default_factory=dict)
    hourly: tuple[float, ...] | None = None
    day: tuple[float, ...] = Field(default=(1.0,) * 24, min_length=24, max_length=24)
    cv2: float = Field(default=1.0, ge=0)


class Slo(Record):
    """Latency bounds that a share ``percentile`` of requests must keep: TTFT, TPOT and latency, all in seconds."""

    ttft_s: float | None = Field(default=None, gt=0)
    tpot_s: float | None = Field(default=None, gt=0)
    latency_s: float | None = Field(default=None, gt=0)
    percentile: float = Field(default=0.95, gt=0, lt=1)


class Conversation(Record):
    """Requests that are turns of a conversation: each prompt holds all turns before it, ``think_s`` after the last answer."""

    turns: float = Field(default=1.0, ge=1)
    think_s: float = Field(default=0.0, ge=0)

    @property
    def continued_share(self) -> float:
        """Return the share of requests that another turn follows."""
        return 1.0 - 1.0 / self.turns


class Autoscaling(Record):
    """Limits of the replicas that run, as a deployment states them; ``None``: as many as the load asks for."""

    at_least: int = Field(default=1, ge=1)
    at_most: int | None = Field(default=None, ge=1)


class Service(Record):
    """A model that answers requests. ``items_per_request`` counts the family's items (tokens, images, samples).

    ``settings`` are the family's own (``resolution``, ``prompt_len`` ...). ``work_cv2`` is the squared coefficient of variation
    of the work of one request. ``precisions`` and ``engines`` list what is allowed; empty means all. ``model`` is the user's own.
    ``chain`` names the chain whose requests it shares. ``engine_options`` are what a serving engine is set to do; ``most_tokens``
    ends prompt and answer, ``None`` where no limit of the model is known.
    """

    name: str
    workload: str
    preset: str | None = None
    mode: Mode = "infer"
    item: str
    arrival: Arrival
    items_per_request: Estimate
    input_tokens: Estimate | None = None
    request_bytes: Estimate
    response_bytes: Estimate
    kept_days: Estimate
    slo: Slo = Slo()
    settings: Mapping[str, Setting] = Field(default_factory=dict)
    work_cv2: float = Field(default=1.0, ge=0)
    chain: str | None = None
    most_tokens: int | None = None
    conversation: Conversation = Conversation()
    engine_options: EngineOptions = EngineOptions()
    autoscaling: Autoscaling = Autoscaling()
    precisions: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    api_model: str | None = None
    model: OwnModel | None = None


class Checkpoints(Record):
    """Checkpoints of a training job: how many are retained, and the stall that one may cause. ``None``: as the rules say."""

    kept: Estimate | None = None
    stall_s: Estimate | None = None


class Job(Record):
    """Recurring work with a deadline: a batch, training, fine-tuning. ``items`` per run within ``window_s``.

    ``adapter`` trains low-rank adapters next to frozen weights.
    """

    name: str
    kind: JobKind = "training"
    workload: str
    preset: str | None = None
    mode: Mode = "train"
    item: str
    items: Estimate
    window_s: float = Field(gt=0)
    bytes_per_item: Estimate
    runs_per_day: float = Field(default=1.0, ge=0)
    settings: Mapping[str, Setting] = Field(default_factory=dict)
    adapter: bool = False
    checkpoints: Checkpoints = Checkpoints()
    response_bytes: Estimate | None = None
    kept_days: Estimate | None = None
    engine_options: EngineOptions = EngineOptions()
    precisions: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    model: OwnModel | None = None


class Dataset(Record):
    """Data that is stored on the site's storage in several copies."""

    name: str
    size_bytes: Estimate
    copies: Estimate


class Site(Record):
    """The place of the machines. ``None`` is unknown and makes the factor's verdict unknown, never sufficient.

    ``num_racks`` are the racks it has room for, ``demand_charge_usd_per_kw_month`` is the price of a month's peak draw, in
    addition to its energy. ``of_factors`` holds the amounts that factors ask of a site, each declared in its factor's file
    (``factor_keys.SiteKey``). ``redundancy`` of feeds, UPS and cooling is by the number of servers where ``None``;
    ``has_server_room`` puts desktops into racks, too.
    """

    region: str | None = None
    electricity_usd_per_kwh: Estimate
    demand_charge_usd_per_kw_month: Estimate | None = None
    grid_g_per_kwh: Estimate
    pue: Estimate
    num_racks: int | None = Field(default=None, ge=0)
    # The usual height of a server rack, in units of 44.45 mm.
    rack_height_u: int = 42
    cooling: CoolingMethod = "air"
    # No key of the file: vendors state airflow at this rise.
    inlet_rise_k: float = Field(default=DESIGN_RISE_K, gt=0)
    floor_kg_per_m2: float | None = Field(default=None, gt=0)
    redundancy: Redundancy | None = None
    has_server_room: bool = False
    of_factors: Mapping[str, Estimate] = Field(default_factory=dict)

    def amount(self, name: str) -> Estimate | None:
        """Return the amount of that name that a factor declares; ``None`` where it is unknown, or unlimited."""
        return self.of_factors.get(name)

    def with_amounts(self, amounts: Mapping[str, Estimate | None], **changes: object) -> Site:
        """Return the site with other amounts, ``None`` for unknown, and with other fields."""
        merged = {**self.of_factors, **amounts}
        known = {name: value for name, value in merged.items() if value is not None}
        return self.model_copy(update={**changes, "of_factors": known})


class Colocation(Record):
    """What a colocation provider sells, whose limits apply there instead of the site's. ``None`` is as for a site.

    ``cooling`` is the method of all racks; ``None``: each server gets the method it is built for. ``of_factors`` holds the limits
    that factors declare (``factor_keys.ColocationKey``).
    """

    cooling: CoolingMethod | None = None
    num_racks: int | None = Field(default=None, ge=0)
    rack_height_u: int = 42
    of_factors: Mapping[str, Estimate] = Field(default_factory=dict)

    def amount(self, name: str) -> Estimate | None:
        """Return the limit of that name that a factor declares; ``None`` where there is none."""
        return self.of_factors.get(name)


class Finance(Record):
    """Cost of capital and service lives; fractions per year, years.

    Money is shown in ``currency``, at ``usd_per_currency`` (``None``: it is USD); ``vat`` is the tax that is shown on top.
    """

    currency: str = "USD"
    usd_per_currency: Estimate | None = None
    vat: float | None = Field(default=None, ge=0, le=1)
    discount_rate: Estimate
    life_years: float = Field(gt=0)
    residual_share: Estimate
    plant_left_share: Estimate | None = None
    space_usd_per_kw_month: Estimate
    adders_share: Estimate
    staff_usd_per_year: Estimate | None = None

    @property
    def shown_in(self) -> Currency:
        """Return the currency in which money is shown."""
        return Currency(code=self.currency, usd=self.usd_per_currency.value) if self.usd_per_currency is not None else Currency()


class Constraints(Record):
    """Limits of a purchase. An empty field means no limit.

    ``providers`` and ``regions`` are of rents (and APIs), ``data_residency`` is where data may be kept, a key of
    ``placement.residency.RESIDENCIES``. ``confidence`` is the share of Monte Carlo scenarios in which every SLO and deadline has
    to be kept; 0 ignores uncertainty.
    ``risk`` is the measure by which options that keep it are ranked.
    """

    budget_usd: float | None = Field(default=None, ge=0)
    budget_usd_per_year: float | None = Field(default=None, ge=0)
    vendors: tuple[str, ...] = ()
    accelerators: tuple[str, ...] = ()
    without: tuple[OptionKind, ...] = ()
    providers: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    data_residency: str | None = None
    exclude_export_controlled: bool = False
    confidence: float = Field(default=0.8, ge=0, le=0.99)
    risk: RiskMeasure = "expected"


class Growth(Record):
    """Growth of the rates: a fraction per year, over the planning horizon."""

    per_year: Estimate
    horizon_years: float = Field(gt=0)


class Demand(Record):
    """What must be served, where, and under which limits. Services peak by day; jobs run in their window next to the off-peak load.

    Without ``growth`` the rates are those of today for ever. ``of_factors`` holds the amounts that factors ask of a demand
    (``factor_keys.DemandKey``).
    """

    name: str
    goal: Goal = "least cost"
    services: tuple[Service, ...] = ()
    jobs: tuple[Job, ...] = ()
    chains: tuple[Chain, ...] = ()
    datasets: tuple[Dataset, ...] = ()
    quotes: tuple[Quote, ...] = ()
    owned: tuple[Owned, ...] = ()
    site: Site
    colocation: Colocation = Colocation()
    finance: Finance
    constraints: Constraints = Constraints()
    growth: Growth | None = None
    availability: float = Field(default=0.999, gt=0, lt=1)
    notes: tuple[Sentence, ...] = ()
    of_factors: Mapping[str, Estimate] = Field(default_factory=dict)
