"""The recommendation as rows: what to buy or rent, what it is tied with, its bottlenecks, and the setting of each load."""

from __future__ import annotations

from collections.abc import Iterator

from aigc_bench.core.messages import message
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Basis, Estimate, Record
from aigc_bench.plan.explain.option_steps import input_key
from aigc_bench.plan.factors.base import in_order
from aigc_bench.plan.options.wording import describe, rent_words, reserve_words, statistically_tied, tie, why
from aigc_bench.plan.output.owned_view import kept_words
from aigc_bench.plan.output.risk_view import Probabilities, probabilities
from aigc_bench.plan.output.serving_words import chain_words, serving_words
from aigc_bench.plan.output.shown_number import Shown, count_of, key_of
from aigc_bench.plan.records.demand import Job, Service
from aigc_bench.plan.records.machine import Capability, Load
from aigc_bench.plan.records.plan import Assessment, Option, Plan


class Bottleneck(Record):
    """A factor with its head-room; ``None`` if there is a requirement and nothing available."""

    name: Sentence
    headroom: float | None


class LoadSetting(Record):
    """How a load runs: model, engine, number format, accelerators per replica, batch, power limit, basis of its throughput.

    ``options`` are what its engine is set to do, in words.
    """

    workload: str
    preset: str
    engine: str | None
    precision: str | None
    num_per_replica: int
    batch_size: int
    power_cap: float
    basis: Basis
    options: tuple[Sentence, ...] = ()


class LoadRow(Record):
    """A load of the option: its peak, what it needs, and the setting it runs in (``None`` for an API)."""

    name: Sentence
    item: str
    setting: LoadSetting | None
    peak: Shown
    busy: Shown
    rate: Shown
    ttft: Shown
    tpot: Shown
    latency: Shown


class FactorRow(Record):
    """A factor's assessment; ``part`` is the part of a mixed option that has the least head-room."""

    name: Sentence
    found: Assessment
    required: Shown
    available: Shown
    headroom: Shown
    inputs: tuple[Shown, ...]
    part: Sentence | None

    @property
    def used_percent(self) -> float | None:
        """Required over available in per cent, 0 to 100; ``None`` if either is unknown."""
        room = self.found.headroom
        return None if room is None else round(min(100.0, max(0.0, (1 - room) * 100)), 1)


class RecommendationView(Record):
    """The option that a plan is about: the recommended one, else the nearest to the demand, which has no ``why``.

    ``reserve`` are its spares and safety margin in words; ``rents`` what is reserved and
    paid of each kind of rented instance; ``tied`` the ranks of options of about the same cost, ``tie`` in words.
    ``questions`` are its reasons other than factors that are unknown, ``chains`` what belongs together, by name, in words.
    """

    option: Option
    is_recommended: bool
    what: Sentence
    why: Sentence | None
    servers: Shown
    accelerators: Shown
    reserve: tuple[Sentence, ...]
    rents: tuple[Sentence, ...]
    tied: tuple[int, ...]
    tie: Sentence | None
    questions: tuple[Sentence, ...]
    probabilities: Probabilities
    bottlenecks: tuple[Bottleneck, ...]
    loads: tuple[LoadRow, ...]
    factors: tuple[FactorRow, ...]
    chains: tuple[tuple[Sentence, tuple[Sentence, ...]], ...] = ()


def recommendation_view(plan: Plan, option: Option) -> RecommendationView:
    """Return the rows of the option that the plan is about."""
    is_best = plan.recommended is not None
    return RecommendationView(
        option=option,
        is_recommended=is_best,
        what=_what(plan, option),
        why=why(plan) if is_best else None,
        servers=count_of(option, "num_servers", message("servers")),
        accelerators=count_of(option, "num_accelerators", message("accelerators")),
        reserve=tuple(reserve_words(option, confidence=plan.demand.constraints.confidence)),
        rents=tuple(rent_words(option)),
        tied=tuple(one.rank for one in statistically_tied(plan)),
        tie=tie(plan),
        questions=tuple(one for one in option.reasons if not any(one.startswith(f"{name} is unknown") for name in option.factors)),
        probabilities=probabilities(option),
        bottlenecks=tuple(_bottlenecks(option)),
        loads=tuple(load_row(load, option, plan=plan) for load in option.loads),
        chains=tuple((one.name, chain_words(one)) for one in plan.demand.chains),
        factors=tuple(factor_row(name, option.factors[name], option) for name in in_order(option.factors)),
    )


def _what(plan: Plan, option: Option) -> str:
    """Return what to buy or rent, after what is kept of the machines that are there."""
    kept = kept_words(plan)
    return describe(option) if kept is None else message("{kept} and {add}", kept=kept, add=describe(option))


def _bottlenecks(option: Option) -> Iterator[Bottleneck]:
    for name in (option.bottleneck, option.next_bottleneck):
        if name is not None:
            yield Bottleneck(name=name, headroom=option.factors[name].headroom)


def factor_row(name: str, found: Assessment, option: Option) -> FactorRow:
    """Return an assessment with the keys of its numbers."""
    at = f"{key_of(option)}.factors.{name}"
    # The scarcest part's assessment was taken over as it is, so it is found again by equality.
    part = next((part for part in reversed(option.parts) if part.factors.get(name) == found), None)
    return FactorRow(
        name=name,
        found=found,
        required=Shown(key=f"{at}.required", name="required", value=found.required),
        available=Shown(key=f"{at}.available", name="available", value=found.available, missing=found.why),
        headroom=Shown(
            key=f"{at}.headroom",
            name="head-room",
            value=found.derived.get("headroom"),
            missing=message("required or available is unknown"),
        ),
        inputs=tuple(Shown(key=input_key(key_of(option), name, what), name=what, value=one) for what, one in found.inputs.items()),
        part=describe(part) if part is not None else None,
    )


def capability_of(load: Load, option: Option) -> Capability | None:
    """Return the setting that a load runs in on the option's machine, or on those of its parts."""
    machines = [one.machine for one in (option, *option.parts) if one.machine is not None]
    return next((one for machine in machines for one in machine.capabilities if one.case == load.case), None)


def load_row(load: Load, option: Option, *, plan: Plan) -> LoadRow:
    """Return a load's numbers and setting."""
    can, at = capability_of(load, option), f"{key_of(option)}.loads.{load.name}"
    is_service = load.name in {one.name for one in plan.demand.services}

    def shown(field: str, name: str, value: Estimate | None, missing: str = "unknown") -> Shown:
        return Shown(key=f"{at}.{field}", name=name, value=value, missing=missing)

    no_ttft = message("only language models have a TTFT") if is_service else message("a job has no TTFT")
    return LoadRow(
        name=load.name,
        item=load.item,
        setting=None if can is None else _setting(can, options=_options(load, plan)),
        peak=shown("peak", message("peak rate"), load.rate_items_per_s),
        busy=shown("accelerators_busy_at_peak", message("busy machines"), load.busy_machines),
        rate=shown("throughput_per_accelerator", message("rate per machine"), can.throughput if can else None),
        ttft=shown("ttft_s", "TTFT", can.ttft_s if can and is_service else None, no_ttft),
        tpot=shown("tpot_s", "TPOT", can.tpot_s if can else None),
        latency=shown("latency_s", "latency", load.latency_s, message("a job has a deadline instead")),
    )


def _options(load: Load, plan: Plan) -> tuple[str, ...]:
    loads: tuple[Service | Job, ...] = (*plan.demand.services, *plan.demand.jobs)
    return next((serving_words(one) for one in loads if one.name == load.name), ())


def _setting(can: Capability, *, options: tuple[str, ...]) -> LoadSetting:
    return LoadSetting(
        workload=can.workload,
        preset=can.preset,
        engine=can.engine,
        precision=can.precision,
        num_per_replica=can.machines_per_replica,
        batch_size=can.batch_size,
        power_cap=can.power_cap,
        basis=can.throughput.basis,
        options=options,
    )
