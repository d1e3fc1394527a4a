"""Search the catalogue: every host that can be bought or rented, several kinds of them together, and commercial APIs.

1 candidates   every configuration of each load on every accelerator, as arrays                      search/
2 choice       per host and load the cheapest that fits and is in time
3 options      fleet, factors, room and money of every host, owned, colocated and rented              options/
4 mixed        each load on the host that serves it cheapest
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from aigc_bench.core.messages import message
from aigc_bench.plan.hardware.hosts import Host, allowed, hosts, is_announced, place_of, specs_of, why_not_sold
from aigc_bench.plan.hardware.measured_runs import MeasuredMachine, best_measured
from aigc_bench.plan.hardware.wall_watts import at_the_wall
from aigc_bench.plan.joint_settings import JointSettings
from aigc_bench.plan.options.api import api_options
from aigc_bench.plan.options.assemble import Procurement, make_option, ranked
from aigc_bench.plan.options.measured_options import Examined
from aigc_bench.plan.options.mixed import combined
from aigc_bench.plan.options.procurement import Market, best_of_each_term, no_cluster, procurements_of, unwanted
from aigc_bench.plan.records.demand import Demand, Job, Service
from aigc_bench.plan.records.machine import Capability, Load, Machine, Unplanned
from aigc_bench.plan.records.plan import Option, Refusal
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.risk.analysis import context_of
from aigc_bench.plan.risk.safer import servers_more
from aigc_bench.plan.risk.scenarios import NUM_SCENARIOS, ScenarioContext, drifts_from
from aigc_bench.plan.search.candidates import Candidates
from aigc_bench.plan.search.load_candidates import Models, candidates_for, capability_of
from aigc_bench.plan.search.selection import SelectionTerms, cheapest_usd_per_year, choose
from aigc_bench.plan.sizing.fleets import job_load, needed, service_load
from aigc_bench.plan.stats.estimates import bounded
from aigc_bench.predict.closed_form.wall_power import psu_efficiency
from aigc_bench.predict.fitting.calibration import shipped_calibration

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue
    from aigc_bench.catalog.records import AcceleratorSpec

ROUNDING = 1e-9
MIXED_HOSTS = 12
"""Hosts that are examined for each part of a mixed option: those whose accelerators carry the load cheapest."""
MIXED_SAVES = 0.1
"""Minimum saving of each further kind of machine, to justify its spares, skills and contracts (assumed)."""


@dataclass(frozen=True, kw_only=True)
class LoadCandidates:
    """A load's candidates over all accelerators."""

    workload: Service | Job
    candidates: Candidates | None
    by_accelerator: dict[str, Candidates] = field(default_factory=dict, repr=False, compare=False)

    def on(self, accelerator: str) -> Candidates | None:
        """Return the rows of one accelerator, cut out once: dozens of hosts and terms compare its few hundred of 10,000 rows."""
        if self.candidates is None:
            return None
        if accelerator not in self.by_accelerator:
            self.by_accelerator[accelerator] = self.candidates.only(accelerator)
        return self.by_accelerator[accelerator]


def examine_catalogue(
    demand: Demand,
    *,
    catalogue: Catalogue,
    rules: Rules,
    on: date | None = None,
    accelerators: Sequence[str] = (),
    measured: Sequence[MeasuredMachine] = (),
    floors: Mapping[str, int] | None = None,
    seed: int = 0,
    others: Sequence[Option] = (),
) -> Examined:
    """Return the options of every host of the catalogue, of several kinds of hosts, and of APIs; arguments as in ``plan_demand``.

    ``others`` are options that already exist: several kinds of hosts have to be worth their trouble compared with them, too.
    """
    day = on or newest_day(catalogue)
    search = search_of(demand, catalogue=catalogue, rules=rules, on=day, measured=measured, floors=floors, seed=seed)
    searched, refused = _to_search(demand, catalogue=catalogue, accelerators=accelerators, on=day)
    found = search.candidates_on(searched)
    options: list[Option] = []
    for host in searched:
        made, reasons = search.options_of(host, found)
        options += made
        refused += [Refusal(accelerator=host.spec.id, reason=reason) for reason in reasons]
    # After the single kinds: whether mixing is worth its trouble is judged against them.
    options += worth_mixing(_mixed(searched, found, search=search), [*options, *others])
    options += api_options(demand, catalogue=catalogue, on=day)
    return Examined(
        options=tuple(options),
        unplanned=tuple(
            Unplanned(name=one.workload.name, reason=message("the performance model supports no allowed accelerator"))
            for one in found
            if one.candidates is None
        ),
        num_candidates=sum(len(one.candidates) for one in found if one.candidates is not None),
        refused=tuple(refused),
    )


def search_of(
    demand: Demand,
    *,
    catalogue: Catalogue,
    rules: Rules,
    on: date,
    measured: Sequence[MeasuredMachine] = (),
    floors: Mapping[str, int] | None = None,
    seed: int = 0,
) -> HostSearch:
    """Return the common inputs of all options of a demand."""
    own = tuple(run.machine.accelerator for run in measured if run.machine.accelerator is not None)
    return HostSearch(
        demand=demand,
        rules=rules,
        models=Models(catalogue=catalogue, calibration=shipped_calibration(), measured=tuple(measured), floors=floors or {}),
        market=Market(
            catalogue=catalogue, day=on, measured=own, place=place_of(demand, catalogue=catalogue), limits=demand.constraints
        ),
        context=context_of(demand, rules, drifts_from(catalogue), num=NUM_SCENARIOS, seed=seed),
        # All scenarios, as for the margin: a few of them would take settings that miss the confidence by sampling error.
        settings=JointSettings(
            rules=rules, context=context_of(demand, rules, drifts_from(catalogue), num=NUM_SCENARIOS, seed=seed)
        ),
    )


def _to_search(demand: Demand, *, catalogue: Catalogue, accelerators: Sequence[str], on: date) -> tuple[list[Host], list[Refusal]]:
    """Return the hosts that the demand allows, and why others and accelerators that are only announced are refused."""
    known = [host for host in hosts(catalogue) if not accelerators or host.spec.id in accelerators]
    judged = [(host, allowed(host.spec, demand.constraints)) for host in known]
    refused = [Refusal(accelerator=host.spec.id, reason=why) for host, why in judged if why]
    refused += [Refusal(accelerator=spec.id, reason=why) for spec, why in announced(catalogue, accelerators, on=on)]
    return [host for host, why in judged if why is None], refused


def hosts_of(demand: Demand, *, catalogue: Catalogue, accelerators: Sequence[str] = ()) -> list[Host]:
    """Return the hosts that a demand allows, of ``accelerators`` where they are given."""
    known = [host for host in hosts(catalogue) if not accelerators or host.spec.id in accelerators]
    return [host for host in known if allowed(host.spec, demand.constraints) is None]


def newest_day(catalogue: Catalogue) -> date:
    """Return the last day for which the catalogue has a rent."""
    # Only rents dated to the day; a month or year names no last day.
    days = [row.as_of for row in catalogue.cloud_prices.values() if len(row.as_of) == len("2026-11-23")]
    return date.fromisoformat(max(days))


@dataclass(frozen=True, kw_only=True)
class HostSearch:
    """The common inputs of all options of one demand."""

    demand: Demand
    rules: Rules
    models: Models
    market: Market
    context: ScenarioContext
    settings: JointSettings
    capabilities: dict[str, dict[tuple[str, int], Capability]] = field(default_factory=dict, repr=False)
    """By accelerator, then by load and row: all hosts of an accelerator, and the search for one load alone, ask for the same."""

    def options_of(self, host: Host, found: Sequence[LoadCandidates]) -> tuple[list[Option], list[str]]:
        """Return the best option of every procurement of this host, or the reasons why there is none.

        Each procurement has settings of its own: a power limit saves nothing on an hourly rent, and a rented replica must fit
        one instance, so that each instance size is compared with settings that fit it.
        """
        made: list[Option] = []
        known = self.capabilities.setdefault(host.spec.id, {})
        for terms in self.market.terms_of(host, demand=self.demand, is_alone=len(found) == 1):
            before: list[tuple[Capability, str | None] | None] = []
            for confidence in self._confidences():
                chosen = [self._chosen(one, host, known, terms=terms, confidence=confidence) for one in found]
                missing = [one.workload.name for one, pick in zip(found, chosen, strict=True) if pick is None]
                if missing:
                    return [], [message("{missing}: the performance model does not support this accelerator", missing=missing[0])]
                if chosen != before:
                    made += self._options(host, [pick for pick in chosen if pick is not None], terms=terms)
                before = chosen
        if not made:
            limits = self.demand.constraints
            if limits.providers or limits.regions or limits.data_residency:
                return [], [message("constraints: no rent of it has an allowed provider and region, and it has no purchase price")]
            return [], [message("for sale: the catalogue has neither a purchase price nor a rent of it")]
        return best_of_each_term(made), []

    def _options(self, host: Host, chosen: Sequence[tuple[Capability, str | None]], *, terms: SelectionTerms) -> list[Option]:
        capabilities, refusals = [capability for capability, _ in chosen], [why for _, why in chosen if why]
        machine = with_capabilities(host, capabilities)
        loads = loads_of(self.demand, capabilities=capabilities, rules=self.rules)
        refusals += beyond_autoscaling(loads, demand=self.demand, rules=self.rules)
        procurements = procurements_of(host, machine, demand=self.demand, market=self.market, terms=terms)
        return [
            self._with_margin(
                procurement,
                loads,
                (
                    *refusals,
                    *unwanted(procurement, host, demand=self.demand, market=self.market),
                    *no_cluster(procurement.offer, loads, demand=self.demand),
                ),
            )
            for procurement in procurements
        ]

    def candidates_on(self, searched: Sequence[Host]) -> list[LoadCandidates]:
        """Return the candidates of every load on the accelerators of some hosts."""
        workloads: list[Service | Job] = [*self.demand.services, *self.demand.jobs]
        specs = specs_of(searched)
        return [LoadCandidates(workload=one, candidates=candidates_for(one, specs, self.models)) for one in workloads]

    def options_by(
        self,
        host: Host,
        found: Sequence[LoadCandidates],
        *,
        terms: SelectionTerms,
        procure: Callable[[Machine, Sequence[Load]], Iterable[tuple[Procurement, Sequence[str]]]],
    ) -> list[Option]:
        """Return the options of procurements that are not the market's, such as a quote, each with the reasons that refuse it.

        None where the performance model does not support a load on this host.
        """
        known = self.capabilities.setdefault(host.spec.id, {})
        chosen = [
            pick
            for one in found
            if (pick := self._chosen(one, host, known, terms=terms, confidence=self._confidences()[-1])) is not None
        ]
        if len(chosen) < len(found):
            return []
        capabilities, refusals = [capability for capability, _ in chosen], [why for _, why in chosen if why]
        machine = with_capabilities(host, capabilities)
        loads = loads_of(self.demand, capabilities=capabilities, rules=self.rules)
        return [self._with_margin(one, loads, (*refusals, *reasons)) for one, reasons in procure(machine, loads)]

    def alone(self, workload: Service | Job, *, among: int) -> HostSearch:
        """Return the search for one load of several, each with a confidence that makes their joint confidence the demanded one."""
        # Taken as independent, parts that each reach the n-th root of the confidence reach it together.
        confidence = self.demand.constraints.confidence ** (1 / among)
        demand = only(self.demand, workload)
        limits = demand.constraints.model_copy(update={"confidence": confidence})
        demand = demand.model_copy(update={"constraints": limits})
        return replace(self, demand=demand, context=replace(self.context, demand=demand))

    def _confidences(self) -> tuple[float, ...]:
        """Return the confidences for which each service is set: the demanded one, and what several of them need together.

        Services share scenarios, so their joint confidence lies between that of independent ones and that of each; both are made.
        """
        whole, services = self.demand.constraints.confidence, len(self.demand.services)
        return (whole, whole ** (1 / services)) if services > 1 and whole > 0 else (whole,)

    def _chosen(
        self,
        one: LoadCandidates,
        host: Host,
        known: dict[tuple[str, int], Capability],
        *,
        terms: SelectionTerms,
        confidence: float,
    ) -> tuple[Capability, str | None] | None:
        """Return the setting whose accelerators cost least at the demanded confidence, margin included."""
        rows = one.on(host.spec.id)
        if rows is None:
            return None
        pick = partial(choose, one.workload, rows, host=host, demand=self.demand, rules=self.rules)
        chosen = pick(terms=terms)
        # No setting fits this instance; the option is made with the next best one and refused with the reason.
        if chosen is None and terms.instance is not None:
            terms = replace(terms, instance=None)
            chosen = pick(terms=terms)
        if chosen is None:
            return None
        capability = self._capability(one, host, chosen.row, known)
        # Batch and margin are chosen together: a setting with time to spare needs fewer machines for slow scenarios.
        if chosen.refusal is None and confidence > 0:
            capability = self.settings.best(
                one.workload,
                rows,
                host=host,
                demand=self.demand,
                terms=terms,
                confidence=confidence,
                cheapest=capability,
                capability=lambda row: self._capability(one, host, row, known),
            )
        measured = best_measured(one.workload, host.spec.id, measured=self.models.measured, predicted=capability)
        return measured.model_copy(update={"case": f"{one.workload.name}: {measured.case}"}), chosen.refusal

    def _capability(self, one: LoadCandidates, host: Host, row: int, known: dict[tuple[str, int], Capability]) -> Capability:
        """Return the capability of a row, cached: owned and rented hosts often run the same."""
        rows = one.on(host.spec.id)
        assert rows is not None, "a row belongs to candidates"
        key = (one.workload.name, row)
        if key not in known:
            known[key] = capability_of(one.workload, rows, row, spec=host.spec, models=self.models)
        return known[key]

    def _with_margin(self, procurement: Procurement, loads: Sequence[Load], reasons: Sequence[str]) -> Option:
        """Return an option with the servers that reach the demanded confidence, or marked where no number does."""
        make = partial(make_option, procurement, loads, demand=self.demand, rules=self.rules, reasons=reasons)
        option, confidence = make(), self.demand.constraints.confidence
        # A refused option needs no margin: the search for one is what a plan spends its time on.
        if not option.accepted or confidence == 0:
            return option
        more = servers_more(option, self.context, confidence=confidence)
        if more is None:
            return option.model_copy(update={"misses_confidence": True})
        enlarged = make(margin=more) if more else option
        # With the margin it may exceed a budget or the site; then the smaller one stays, marked.
        return enlarged if enlarged.accepted else option.model_copy(update={"misses_confidence": True})


def announced(catalogue: Catalogue, accelerators: Sequence[str], *, on: date) -> list[tuple[AcceleratorSpec, str]]:
    """Return accelerators that are not yet available, with the reason for refusal."""
    specs = [spec for spec in catalogue.accelerators.values() if not accelerators or spec.id in accelerators]
    found = [(spec, why_not_sold(spec, catalogue=catalogue, on=on)) for spec in specs if is_announced(spec, on=on)]
    return [(spec, why) for spec, why in found if why is not None]


def _mixed(searched: Sequence[Host], found: Sequence[LoadCandidates], *, search: HostSearch) -> list[Option]:
    """Return one option with each load on its own cheapest host, bought or rented; none where one host is cheapest for all."""
    if len(found) < 2 or any(one.candidates is None for one in found):
        return []
    available = [host for host in searched if search.market.has(host)]
    parts: list[Option] = []
    for one in found:
        part = _cheapest_alone(one, available, search=search.alone(one.workload, among=len(found)))
        if part is None:
            return []
        parts.append(part)
    # One kind of host for all loads is an option already.
    return [] if len({part.server for part in parts}) == 1 else [combined(parts)]


def _cheapest_alone(one: LoadCandidates, available: Sequence[Host], *, search: HostSearch) -> Option | None:
    """Return the best accepted option for one load alone, on one of the few hosts that are cheapest for it."""
    costs = [cheapest_usd_per_year(one.workload, one.on(host.spec.id), host=host, demand=search.demand) for host in available]
    # Stable sort: equal costs keep the order of the catalogue.
    near = [available[index] for index in sorted(range(len(available)), key=costs.__getitem__)]
    made = [search.options_of(host, [one])[0] for host in near[:MIXED_HOSTS]]
    accepted = [option for options in made for option in options if option.accepted]
    return ranked(accepted)[0] if accepted else None


def worth_mixing(mixed: Sequence[Option], others: Sequence[Option]) -> list[Option]:
    """Return mixed options, refused where one kind of machine for all loads costs little more.

    Each further kind has to save ``MIXED_SAVES`` of the cheapest of one kind: five kinds need five drivers, contracts and spares.
    """
    best = min((one.tco_usd.value for one in others if one.accepted), default=None)
    return [one if best is None or _saves_enough(one, best) else _not_worth(one, best) for one in mixed]


def _saves_enough(mixed: Option, best_usd: float) -> bool:
    return mixed.tco_usd.value <= (1 - MIXED_SAVES * _further_kinds(mixed)) * best_usd


def _further_kinds(mixed: Option) -> int:
    return max(1, len({part.accelerator for part in mixed.parts}) - 1)


def _not_worth(mixed: Option, best_usd: float) -> Option:
    reason = message(
        "money: {kinds} kinds of machines save {saved:.0f} % of the cost of one; below {mixed_saves:.0f} % for each further kind "
        "they are not worth running",
        kinds=1 + _further_kinds(mixed),
        saved=100 * (1 - mixed.tco_usd.value / best_usd),
        mixed_saves=100 * MIXED_SAVES,
    )
    return mixed.model_copy(update={"accepted": False, "reasons": (reason, *mixed.reasons)})


def only(demand: Demand, workload: Service | Job) -> Demand:
    """Return the demand with one service or job alone; data sets stay with the first load."""
    workloads: tuple[Service | Job, ...] = (*demand.services, *demand.jobs)
    is_first = workload.name == workloads[0].name
    return demand.model_copy(
        update={
            "services": (workload,) if isinstance(workload, Service) else (),
            "jobs": (workload,) if isinstance(workload, Job) else (),
            # Data sets are stored once, so only one part may count them.
            "datasets": demand.datasets if is_first else (),
            # An index lies in the memory of one part's servers.
            "chains": demand.chains if is_first else (),
        }
    )


def loads_of(demand: Demand, *, capabilities: Sequence[Capability], rules: Rules) -> tuple[Load, ...]:
    """Return the load of every service and job; capabilities are in the demand's order."""
    services = capabilities[: len(demand.services)]
    jobs = capabilities[len(demand.services) :]
    served = [service_load(one, can, growth=demand.growth) for one, can in zip(demand.services, services, strict=True)]
    worked = [job_load(one, can, rules=rules) for one, can in zip(demand.jobs, jobs, strict=True)]
    return (*served, *worked)


def beyond_autoscaling(loads: Sequence[Load], *, demand: Demand, rules: Rules) -> list[str]:
    """Return why services need more replicas at their peak than they may run."""
    found, most = [], {service.name: service.autoscaling.at_most for service in demand.services}
    for load in loads:
        limit = most.get(load.name)
        # Counted as the fleet counts them: whole replicas at the target utilisation, or as many as the queue requires.
        count = math.ceil(needed(load, rules=rules).value / load.machines_per_replica - ROUNDING) if limit is not None else 0
        if limit is not None and count > limit:
            found.append(
                message(
                    "{name}: its peak needs {count} replicas, max_replicas is {limit}; a higher limit would change that",
                    name=load.name, count=count, limit=limit,
                )
            )  # fmt: skip
    return found


def with_capabilities(host: Host, capabilities: Sequence[Capability]) -> Machine:
    """Return the host's machine with its capabilities, its draw at that work, and its peak draw under the power limits."""
    machine, known = host.machine, [one.power_w for one in capabilities if one.power_w is not None]
    changes: dict[str, object] = {"capabilities": tuple(capabilities)}
    if known:
        # The load with the highest draw stands for all loads of the server.
        busiest = max(known, key=lambda power: power.value)
        full = at_the_wall(busiest, host.spec, count=machine.devices_per_server)
        # A prediction must not draw more than the peak that is provisioned.
        changes["full_power_w"] = bounded(full, ceiling=machine.peak_power_w.high)
        # Idle above full would make utilisation save power.
        changes["idle_power_w"] = bounded(machine.idle_power_w, ceiling=full.low)
    # All loads of a server have to keep a limit for its peak to fall.
    cap = max((one.power_cap for one in capabilities), default=1.0)
    if cap < 1 and host.spec.tdp_w:
        # The limit is a share of the board's default limit, so only the boards' part of the peak falls.
        count = machine.devices_per_server
        saved = (1 - cap) * host.spec.tdp_w * count / psu_efficiency(host.spec, devices=count)
        peak = machine.peak_power_w
        lower = {end: max(getattr(peak, end) - saved, 0.0) for end in ("value", "low", "high")}
        words = message("{source}, less {saved:,.0f} W by the power limit", source=peak.source, saved=saved)
        changes["peak_power_w"] = peak.model_copy(update={**lower, "source": words})
    return machine.model_copy(update=changes)
