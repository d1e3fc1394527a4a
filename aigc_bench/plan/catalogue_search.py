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

from aigc_bench.core.identity import Same
from aigc_bench.core.messages import message
from aigc_bench.plan.hardware.hosts import Host, allowed, hosts, is_announced, place_of, specs_of, why_not_sold
from aigc_bench.plan.hardware.measured_runs import MeasuredMachine, best_measured
from aigc_bench.plan.joint_settings import JointSettings
from aigc_bench.plan.options.api import api_options
from aigc_bench.plan.options.assemble import Procurement, is_like, least_usd, make_option, option_within, ranked
from aigc_bench.plan.options.measured_options import Examined
from aigc_bench.plan.options.mixed import combined, worth_mixing
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
from aigc_bench.plan.search.loads_on_hosts import beyond_autoscaling, loads_of, only, with_capabilities
from aigc_bench.plan.search.selection import (
    RankedSettings,
    SelectionTerms,
    cheapest_usd_per_year,
    choose,
    comparable,
    settings_by_slack,
    spare_of,
)
from aigc_bench.predict.fitting.calibration import shipped_calibration

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue
    from aigc_bench.catalog.records import AcceleratorSpec

MIXED_HOSTS = 12
"""Hosts that are examined for each part of a mixed option: those whose accelerators carry the load cheapest."""


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
    seed: int = 0,
    others: Sequence[Option] = (),
) -> Examined:
    """Return the options of every host of the catalogue, of several kinds of hosts, and of APIs; arguments as in ``plan_demand``.

    ``others`` are options that already exist: several kinds of hosts have to be worth their trouble compared with them, too.
    """
    day = on or newest_day(catalogue)
    search = search_of(demand, catalogue=catalogue, rules=rules, on=day, measured=measured, seed=seed)
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


def examine_again(
    demand: Demand,
    part: Option,
    *,
    catalogue: Catalogue,
    rules: Rules,
    on: date | None = None,
    accelerators: Sequence[str] = (),
    measured: Sequence[MeasuredMachine] = (),
    floors: Mapping[str, int],
    is_same: bool,
    seed: int = 0,
) -> list[Option]:
    """Return the options of the kind and term of ``part`` on its accelerator; arguments as in ``planner.plan_again``."""
    day = on or newest_day(catalogue)
    search = search_of(demand, catalogue=catalogue, rules=rules, on=day, measured=measured, floors=floors, seed=seed)
    searched, _ = _to_search(demand, catalogue=catalogue, accelerators=accelerators, on=day)
    # A rent may move to another size of instance, a purchase stays the server that it is.
    same = [host for host in searched if host.spec.id == part.accelerator]
    alike = [host for host in same if part.kind == "cloud" or host.machine.server == part.server]
    if is_same:
        return [option for host in alike for option in search.options_like(part, host)]
    # Candidates on all hosts, as the plan has made them already.
    found = search.candidates_on(searched)
    return [option for host in alike for option in search.options_of(host, found, like=part)[0]]


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
    context = context_of(demand, rules, drifts_from(catalogue), num=NUM_SCENARIOS, seed=seed)
    return HostSearch(
        demand=demand,
        rules=rules,
        models=Models(catalogue=catalogue, calibration=shipped_calibration(), measured=tuple(measured), floors=floors or {}),
        market=Market(
            catalogue=catalogue, day=on, measured=own, place=place_of(demand, catalogue=catalogue), limits=demand.constraints
        ),
        context=context,
        # All scenarios, as for the margin: a few of them would take settings that miss the confidence by sampling error.
        settings=JointSettings(rules=rules, context=context),
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
    ranked_settings: dict[tuple[str, Same[Host], SelectionTerms], RankedSettings | None] = field(default_factory=dict, repr=False)
    """By load, host and terms: every confidence, and every size of instance that holds the same replicas, asks for the same."""

    def options_of(
        self, host: Host, found: Sequence[LoadCandidates], *, rival: Option | None = None, like: Option | None = None
    ) -> tuple[list[Option], list[str]]:
        """Return the best option of every procurement of this host, or the reasons why there is none.

        Each procurement has settings of its own: a power limit saves nothing on an hourly rent, and a rented replica must fit
        one instance, so that each instance size is compared with settings that fit it. What costs more than ``rival`` is left out,
        and what is of another kind or term than ``like``.
        """
        made: list[Option] = []
        known = self.capabilities.setdefault(host.spec.id, {})
        for terms in self.market.terms_of(host, demand=self.demand, is_alone=len(found) == 1):
            if like is not None and terms.kind != like.kind:
                continue
            before: list[tuple[Capability, str | None] | None] = []
            for confidence in self._confidences():
                chosen = [self._chosen(one, host, known, terms=terms, confidence=confidence) for one in found]
                missing = [one.workload.name for one, pick in zip(found, chosen, strict=True) if pick is None]
                if missing:
                    return [], [message("{missing}: the performance model does not support this accelerator", missing=missing[0])]
                if chosen != before:
                    picked = [pick for pick in chosen if pick is not None]
                    made += self._options(host, picked, terms=terms, made=made, rival=rival, like=like)
                before = chosen
        if not made and rival is None and like is None:
            limits = self.demand.constraints
            if limits.providers or limits.regions or limits.data_residency:
                return [], [message("constraints: no rent of it has an allowed provider and region, and it has no purchase price")]
            return [], [message("for sale: the catalogue has neither a purchase price nor a rent of it")]
        return best_of_each_term(made), []

    def options_like(self, part: Option, host: Host) -> list[Option]:
        """Return the best option of the kind and term of ``part`` on a host, with its settings and the floors of the search."""
        assert part.machine is not None, "an option of one kind has a machine"
        floors = self.models.floors
        held = [one.model_copy(update={"machines_at_least": floors.get(one.case, 0)}) for one in part.machine.capabilities]
        made: list[Option] = []
        for terms in self.market.terms_of(host, demand=self.demand, is_alone=len(held) == 1):
            if terms.kind == part.kind:
                made += self._options(host, [(one, None) for one in held], terms=terms, made=made, rival=None, like=part)
        return best_of_each_term(made)

    def _options(
        self,
        host: Host,
        chosen: Sequence[tuple[Capability, str | None]],
        *,
        terms: SelectionTerms,
        made: Sequence[Option],
        rival: Option | None,
        like: Option | None,
    ) -> list[Option]:
        capabilities, refusals = [capability for capability, _ in chosen], [why for _, why in chosen if why]
        machine = with_capabilities(host, capabilities)
        loads = loads_of(self.demand, capabilities=capabilities, rules=self.rules)
        refusals += beyond_autoscaling(loads, demand=self.demand, rules=self.rules)
        procurements = procurements_of(host, machine, demand=self.demand, market=self.market, terms=terms)
        options = [
            self._with_margin(
                procurement,
                loads,
                (
                    *refusals,
                    *unwanted(procurement, host, demand=self.demand, market=self.market),
                    *no_cluster(procurement.offer, loads, demand=self.demand),
                ),
                # Only the best option of each kind and term is kept, so a dearer one need not be finished.
                at_most=least_usd([one for one in made if is_like(one, procurement)] + ([rival] if rival else [])),
            )
            for procurement in procurements
            if like is None or is_like(like, procurement)
        ]
        return [one for one in options if one is not None]

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
        options = [self._with_margin(one, loads, (*refusals, *reasons)) for one, reasons in procure(machine, loads)]
        return [one for one in options if one is not None]

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
        key = (one.workload.name, Same(host), comparable(terms, one.workload, host))
        if key not in self.ranked_settings:
            self.ranked_settings[key] = self._ranked(one, rows, host, known, terms=terms)
        found = self.ranked_settings[key]
        if found is None:
            return None
        capability = found.cheapest
        # Batch and margin are chosen together: a setting with time to spare needs fewer machines for slow scenarios.
        if found.rows and confidence > 0:
            capability = self.settings.best(
                one.workload,
                rows,
                found.rows,
                host=host,
                demand=self.demand,
                terms=found.terms,
                confidence=confidence,
                cheapest=capability,
                capability=lambda row: self._capability(one, host, row, known),
            )
        measured = best_measured(one.workload, host.spec.id, measured=self.models.measured, predicted=capability)
        return measured.model_copy(update={"case": f"{one.workload.name}: {measured.case}"}), found.refusal

    def _ranked(
        self,
        one: LoadCandidates,
        rows: Candidates,
        host: Host,
        known: dict[tuple[str, int], Capability],
        *,
        terms: SelectionTerms,
    ) -> RankedSettings | None:
        """Return the settings of a load on a host by cost; ``None`` where there is none."""
        pick = partial(choose, one.workload, rows, host=host, demand=self.demand, rules=self.rules)
        chosen = pick(terms=terms)
        # No setting fits this instance; the option is made with the next best one and refused with the reason.
        if chosen is None and terms.instance is not None:
            terms = replace(terms, instance=None)
            chosen = pick(terms=terms)
        if chosen is None:
            return None
        cheapest, settings = self._capability(one, host, chosen.row, known), list[tuple[int, float]]()
        if chosen.refusal is None:
            memory = spare_of(cheapest).memory
            settings = settings_by_slack(
                one.workload, rows, host=host, demand=self.demand, terms=terms, rules=self.rules, memory=memory
            )
        return RankedSettings(cheapest=cheapest, rows=tuple(settings), terms=terms, refusal=chosen.refusal)

    def _capability(self, one: LoadCandidates, host: Host, row: int, known: dict[tuple[str, int], Capability]) -> Capability:
        """Return the capability of a row, cached: owned and rented hosts often run the same."""
        rows = one.on(host.spec.id)
        assert rows is not None, "a row belongs to candidates"
        key = (one.workload.name, row)
        if key not in known:
            known[key] = capability_of(one.workload, rows, row, spec=host.spec, models=self.models)
        return known[key]

    def _with_margin(
        self, procurement: Procurement, loads: Sequence[Load], reasons: Sequence[str], *, at_most: float = math.inf
    ) -> Option | None:
        """Return an option with the servers that reach the demanded confidence, or marked where no number does.

        ``None`` where it costs more than ``at_most`` already without them: a margin never costs less.
        """
        make = partial(make_option, procurement, loads, demand=self.demand, rules=self.rules, reasons=reasons)
        option = option_within(at_most, procurement, loads, demand=self.demand, rules=self.rules, reasons=reasons)
        confidence = self.demand.constraints.confidence
        # A refused option needs no margin, whose search takes many samples.
        if option is None or not option.accepted or confidence == 0:
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
    best: Option | None = None
    for host in near[:MIXED_HOSTS]:
        made = [option for option in search.options_of(host, [one], rival=best)[0] if option.accepted]
        best = next(iter(ranked([*([best] if best else []), *made])), None)
    return best
