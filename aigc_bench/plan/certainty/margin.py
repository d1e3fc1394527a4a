"""Planning with a margin: the same demand with a stricter SLO, so that a smaller batch is chosen, which slower worlds keep, too.

The plan takes the cheapest batch whose middle latency keeps the SLO, often by a hair. More servers do not make such a batch faster.
Each stricter plan is judged against the SLO that is asked, in the same worlds, with as many servers more as it takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from aigc_bench.plan.certainty.chances import seen
from aigc_bench.plan.certainty.ground import Ground
from aigc_bench.plan.certainty.records import Margin
from aigc_bench.plan.certainty.surer import WANTED, more_servers
from aigc_bench.plan.demand import Demand, Slo
from aigc_bench.plan.records import Option, Plan
from aigc_bench.plan.wording import what

SHARES = (0.85, 0.7, 0.55, 0.4)
"""Of every latency that is asked."""
MOST_OPTIONS = 8


class Planner(Protocol):
    """Plans a demand on some accelerators."""

    def __call__(self, demand: Demand, /, *, accelerators: Sequence[str]) -> Plan: ...


def with_margin(accelerators: Sequence[str], ground: Ground, *, planner: Planner) -> Margin | None:
    """The cheapest stricter plan on these accelerators that is sure enough; ``None`` where none is or no latency is asked."""
    best: Margin | None = None
    for share in SHARES:
        stricter = _stricter(ground.demand, share)
        if stricter is None:
            return None
        found = list(_sure_ones(planner(stricter, accelerators=accelerators).options, share, ground))
        nearest = min(found, key=lambda one: (one.tco_usd, -one.p_slo), default=None)
        if nearest is not None and (best is None or nearest.tco_usd < best.tco_usd):
            best = nearest
        elif best is not None:
            return best  # a smaller batch serves less: beyond the first that is dearer all are
    return best


def _stricter(demand: Demand, share: float) -> Demand | None:
    services = tuple(one.model_copy(update={"slo": _tightened(one.slo, share)}) for one in demand.services)
    return None if services == demand.services else demand.model_copy(update={"services": services})


def _tightened(slo: Slo, share: float) -> Slo:
    limits = {name: getattr(slo, name) for name in ("ttft_s", "tpot_s", "latency_s")}
    return slo.model_copy(update={name: share * limit for name, limit in limits.items() if limit is not None})


def _sure_ones(options: Sequence[Option], share: float, ground: Ground) -> Iterator[Margin]:
    for option in [one for one in options if one.accepted and one.machine is not None][:MOST_OPTIONS]:
        p_slo, servers, usd = seen(option, ground).p_slo or 0.0, option.num_servers, option.tco_usd.value
        if p_slo < WANTED:
            more = more_servers(option, ground)
            if more is None or more.hindrance is not None:
                continue
            p_slo, servers, usd = more.p_slo, more.num_servers, more.tco_usd
        yield Margin(
            slo_share=share,
            what=what(option),
            settings=_settings(option),
            more_servers=servers - option.num_servers,
            num_servers=servers,
            p_slo=p_slo,
            tco_usd=usd,
        )


def _settings(option: Option) -> str:
    """Batch and ranks of each load."""
    ables = {one.case: one for one in option.machine.capabilities} if option.machine else {}
    words = [
        f"{load.name} in batches of {ables[load.case].batch_size}{_ranks(ables[load.case].machines_per_replica)}"
        for load in option.loads
        if load.case in ables
    ]
    return ", ".join(words)


def _ranks(count: int) -> str:
    return f" on {count} accelerators" if count > 1 else ""
