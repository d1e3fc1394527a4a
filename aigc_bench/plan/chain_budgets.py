"""Divide a chain's bound among its stages: jointly, at the least cost of all stages together.

cost of a stage    f(b) = least cost per year, over all hosts, of settings whose request takes at most b / RESERVE seconds
division           the budgets b of all stages, with the search they add up to the bound, of which the sum of f(b) is least
among equal costs  the one in which the least of b / seconds of a request is greatest: queues and errors come out of what is left
share of requests  1 - (1 - p) / stages of each, so that all of them together keep p (Bonferroni's bound)
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from aigc_bench.plan.catalogue_search import HostSearch, hosts_of, newest_day, search_of
from aigc_bench.plan.hardware.hosts import Host, specs_of
from aigc_bench.plan.hardware.measured_runs import MeasuredMachine
from aigc_bench.plan.records.chains import Chain
from aigc_bench.plan.records.demand import Demand, Service, Slo
from aigc_bench.plan.records.rules import rules_from
from aigc_bench.plan.search.candidates import Candidates
from aigc_bench.plan.search.load_candidates import candidates_for
from aigc_bench.plan.search.selection import usd_per_year, work_per_s
from aigc_bench.predict.fitting.effects import Floats

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue
    from aigc_bench.catalog.records import AcceleratorSpec

PARTS = 40
"""Parts in which a bound is divided: a division is found to a fortieth of it."""
RESERVE = 2.0
"""A request alone takes at most half of its stage's budget: waits, and the error of its prediction, take the rest (assumed)."""
SAME_COST = 1.02
"""Divisions within this factor of the least cost count as equally dear."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage by its budget: cost per year and seconds of a request, of shape (PARTS + 1,); infinite where nothing is in time."""

    cost: Floats
    seconds: Floats


def with_budgets(
    demand: Demand,
    *,
    catalogue: Catalogue,
    on: date | None = None,
    accelerators: Sequence[str] = (),
    measured: Sequence[MeasuredMachine] = (),
) -> Demand:
    """Return the demand with the bound of every chain of services divided among them; unchanged without such a chain."""
    chains = [one for one in demand.chains if one.index is not None]
    if not chains:
        return demand
    day = on or newest_day(catalogue)
    search = search_of(demand, catalogue=catalogue, rules=rules_from(catalogue), on=day, measured=measured)
    allowed = hosts_of(demand, catalogue=catalogue, accelerators=accelerators)
    searched = [host for host in allowed if search.market.has(host)]
    # Candidates are made on every allowed accelerator, as the plan needs them afterwards.
    specs = specs_of(allowed)
    for chain in chains:
        demand = _divided(demand, chain, search=search, searched=searched, specs=specs)
    return demand


def _divided(
    demand: Demand, chain: Chain, *, search: HostSearch, searched: Sequence[Host], specs: Sequence[AcceleratorSpec]
) -> Demand:
    services = [_of_chain(one, chain) for name in chain.stages for one in demand.services if one.name == name]
    budgets: list[float] = []
    if chain.bound_s is not None and chain.index is not None:
        left = max(1e-6, chain.bound_s - chain.index.search_s.high)
        stages = [_stage(one, left, demand=demand, search=search, searched=searched, specs=specs) for one in services]
        budgets = [left * part / PARTS for part in division(stages)]
        services = [_bounded(one, chain, budgets, at=at) for at, one in enumerate(services)]
    by_name = {one.name: one for one in services}
    found = chain.model_copy(update={"budgets": tuple(zip(chain.stages, budgets, strict=False))})
    return demand.model_copy(
        update={
            "services": tuple(by_name.get(one.name, one) for one in demand.services),
            "chains": tuple(found if one.name == chain.name else one for one in demand.chains),
        }
    )


def _of_chain(service: Service, chain: Chain) -> Service:
    """Return a stage with the bounds that need no division: the last one's time per token, and the share of requests."""
    is_last = service.name == chain.stages[-1]
    slo = Slo(tpot_s=chain.tpot_s if is_last else None, percentile=chain.stage_percentile)
    return service.model_copy(update={"slo": slo})


def _bounded(service: Service, chain: Chain, budgets: Sequence[float], *, at: int) -> Service:
    """Return a stage with its budget: of the last one for its first token where the chain bounds that, else for its answer."""
    if at < len(budgets) - 1:
        bounds = {"latency_s": budgets[at]}
    elif chain.ttft_s is not None:
        before = chain.ttft_s - budgets[at]
        whole = {} if chain.latency_s is None else {"latency_s": max(1e-6, chain.latency_s - before)}
        bounds = {"ttft_s": budgets[at], **whole}
    else:
        bounds = {"latency_s": budgets[at]}
    return service.model_copy(update={"slo": service.slo.model_copy(update=bounds)})


def _stage(
    service: Service,
    bound_s: float,
    *,
    demand: Demand,
    search: HostSearch,
    searched: Sequence[Host],
    specs: Sequence[AcceleratorSpec],
) -> Stage:
    found = candidates_for(service, specs, search.models)
    none = np.full(PARTS + 1, np.inf)
    if found is None:
        return Stage(cost=none, seconds=none)
    seconds, cost = _settings(service, found, demand=demand, searched=searched)
    if not len(seconds):
        return Stage(cost=none, seconds=none)
    order = np.argsort(seconds)
    seconds, least = seconds[order], np.minimum.accumulate(cost[order])
    budgets = np.arange(PARTS + 1) * bound_s / PARTS
    # The last setting in time at each budget, -1 where there is none.
    at = np.searchsorted(seconds, budgets / RESERVE, side="right") - 1
    costs = np.where(at >= 0, least[np.maximum(at, 0)], np.inf)
    # The fastest setting that costs about as little: least falls along the order, so the first that is low enough.
    first = [int(np.argmax(least <= limit * SAME_COST)) if np.isfinite(limit) else 0 for limit in costs]
    return Stage(cost=costs, seconds=np.where(at >= 0, seconds[first], np.inf))


def _settings(service: Service, found: Candidates, *, demand: Demand, searched: Sequence[Host]) -> tuple[Floats, Floats]:
    """Return seconds of a request and cost per year of every setting that fits, on every host."""
    is_first_token = found.ttft_s if not np.isnan(found.ttft_s).all() else found.latency_s
    good, work = found.fits & found.meets(service.slo), work_per_s(service, demand)
    seconds, costs = [np.empty(0)], [np.empty(0)]
    for host in searched:
        rows = good & found.of(host.spec.id) & (found.devices <= host.max_devices)
        if rows.any():
            seconds.append(is_first_token[rows])
            costs.append(usd_per_year(work, found, host=host, demand=demand)[rows])
    return np.concatenate(seconds), np.concatenate(costs)


def division(stages: Sequence[Stage]) -> tuple[int, ...]:
    """Return the parts of each stage, which add up to ``PARTS``; equal ones where no division has a setting for all."""
    found = _compositions(len(stages))
    costs = np.array([sum(stage.cost[part] for stage, part in zip(stages, parts, strict=True)) for parts in found])
    if not np.isfinite(costs).any():
        return _by_speed(stages)
    least = costs.min()
    near = [parts for parts, cost in zip(found, costs, strict=True) if cost <= least * SAME_COST]
    return max(near, key=lambda parts: min(part / stage.seconds[part] for stage, part in zip(stages, parts, strict=True)))


def _compositions(count: int) -> list[tuple[int, ...]]:
    """Return every way to write ``PARTS`` as a sum of ``count`` positive whole numbers, in order."""
    cuts = itertools.combinations(range(1, PARTS), count - 1)
    return [tuple(b - a for a, b in itertools.pairwise((0, *cut, PARTS))) for cut in cuts]


def _by_speed(stages: Sequence[Stage]) -> tuple[int, ...]:
    """Return parts in proportion to what each stage takes at best, where not all have a setting in time."""
    least = [min((float(one) for one in stage.seconds if np.isfinite(one)), default=1.0) for stage in stages]
    parts = [max(1, int(PARTS * one / sum(least))) for one in least]
    parts[parts.index(max(parts))] += PARTS - sum(parts)
    return tuple(parts)
