"""``plan --explain KEY``: print how a number of the plan is derived, down to its leaves, with formulae, sources and basis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.trail import Trail
from aigc_bench.core.trail_text import WIDTH, derivation, nearest
from aigc_bench.core.units import Currency, money_in
from aigc_bench.plan.explain.key_listing import listing
from aigc_bench.plan.explain.option_steps import Place, add_option, add_replay
from aigc_bench.plan.explain.plan_steps import add_demand, add_risk, add_scenarios
from aigc_bench.plan.explain.supply_steps import add_supply
from aigc_bench.plan.options.wording import nearest_option
from aigc_bench.plan.records.plan import Option, Plan
from aigc_bench.plan.stats.estimates import counted

LIST = "list"
ENDS = ("required", "available", "headroom", "usd", "peak", "accelerators_busy_at_peak", "p_cheapest", "regret_usd", "low", "high")
"""Numbers shown for a key that stands for several: a factor, a line of the bill, a load, an alternative, a tornado bar."""
CERTAINTY = ("p_slo", "p_budget", "p_oom")
"""Numbers that ``certainty`` alone stands for."""


def trail_of(plan: Plan, *options: Option) -> Trail:
    """Return the steps of demand, rules, quotes, owned machines and some options: by default the recommended one, or the first."""
    trail = Trail()
    add_demand(trail, plan)
    evaluated = counted(plan.num_candidates, "candidates", message("counted in the search"))
    trail.add("num_candidates", message("candidates evaluated"), evaluated)
    add_scenarios(trail, plan)
    for option in options or _best(plan):
        place = Place(trail=trail, option=option, demand=plan.demand, at=f"options.{option.rank}")
        add_option(place)
        add_replay(place)
    add_risk(trail, plan)
    add_supply(trail, plan)
    # Last: a step refers to others by key, so all numbers must have theirs before.
    trail.link()
    return trail


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The linked steps of a plan, and what is needed to print them.

    ``bests`` are the places of the recommended option (``options.1``), ``owners`` the names of services, jobs and data sets.
    """

    trail: Trail
    bests: tuple[str, ...]
    owners: tuple[str, ...]
    currency: Currency


def explanation_of(plan: Plan, key: str) -> Explanation:
    """Return what a key is explained from; raises ``UsageError`` where it names an option that the plan does not have."""
    services, jobs, datasets = plan.demand.services, plan.demand.jobs, plan.demand.datasets
    owners = [*(one.name for one in services), *(one.name for one in jobs), *(one.name for one in datasets)]
    return Explanation(
        trail=trail_of(plan, *_named(plan, key)),
        bests=_places(plan),
        owners=tuple(owners),
        currency=plan.demand.finance.shown_in,
    )


def explain(plan: Plan, key: str, *, width: int = WIDTH) -> str:
    """Return a number and its derivation: ``tco_usd``, ``power``, ``costs.electricity``, ``options.3.capex_usd``.

    A key without ``options.N`` is of the recommended option; ``list`` lists all keys. Raises ``UsageError`` with the nearest keys.
    """
    return printed(explanation_of(plan, key), key, width=width)


def printed(found: Explanation, key: str, *, width: int = WIDTH) -> str:
    """Return a number and its derivation, as ``explain``, from steps that were linked before."""
    trail = found.trail
    if key == LIST:
        return listing(trail, {_short(one, found.bests): one for one in trail}, owners=found.owners)
    asked = _resolved(trail, found.bests, key)
    if not asked:
        keys = [_short(one, found.bests) for one in trail]
        near = nearest(key, keys)
        hint = message("Did you mean {near}? ", near=" or ".join(near)) if near else ""
        raise UsageError(
            message("unknown plan key {key!r}.", key=key),
            message("{hint}`--explain list` lists all {num_keys} keys.", hint=hint, num_keys=len(keys)),
        )
    with money_in(found.currency):
        lines = [derivation(trail, one, short=lambda full: _short(full, found.bests), width=width) for one in asked]
        return "\n\n".join("\n".join(one) for one in lines)


def resolve(trail: Trail, plan: Plan, key: str) -> list[str]:
    """Return the full keys that a key stands for: itself, or below the recommended option, its factors, costs, bill, loads."""
    return _resolved(trail, _places(plan), key)


def _resolved(trail: Trail, bests: Sequence[str], key: str) -> list[str]:
    if key == "certainty":
        return [one for best in bests for name in CERTAINTY if (one := f"{best}.{name}") in trail]
    # The most general place first, so that a short key means the option's own number.
    below = [f"{best}{part}.{key}" for part in ("", ".factors", ".costs", ".bill", ".loads") for best in bests]
    for candidate in (key, *below):
        if candidate in trail:
            return [candidate]
        ends = [f"{candidate}.{name}" for name in ENDS]
        if any(one in trail for one in ends):
            return [one for one in ends if one in trail]
    return []


def short(key: str, plan: Plan) -> str:
    """Return the key without the prefix of the recommended option."""
    return _short(key, _places(plan))


def _short(key: str, bests: Sequence[str]) -> str:
    return next((key.removeprefix(f"{best}.") for best in bests), key)


def _places(plan: Plan) -> tuple[str, ...]:
    return tuple(f"options.{option.rank}" for option in _best(plan))


def _best(plan: Plan) -> tuple[Option, ...]:
    best = plan.recommended or nearest_option(plan)
    return () if best is None else (best,)


def _named(plan: Plan, key: str) -> tuple[Option, ...]:
    """Return the option that a key names; raise ``UsageError`` if the plan has none of that rank."""
    head, _, rest = key.partition(".")
    rank = rest.partition(".")[0]
    # Any other key is of the recommended option, or of the demand.
    if head != "options" or not rank.isdigit():
        return ()
    found = tuple(option for option in plan.options if option.rank == int(rank))
    if not found:
        raise UsageError(
            message("unknown plan key {key!r}: it has options 1 to {num_options}.", key=key, num_options=len(plan.options))
        )
    return found
