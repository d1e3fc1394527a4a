"""Build the steps of the factors: inputs, required, available, head-room."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aigc_bench.core.records import Estimate
from aigc_bench.plan.explain.arithmetic import Inputs
from aigc_bench.plan.explain.named_inputs import add_input, input_key
from aigc_bench.plan.explain.place import Below
from aigc_bench.plan.explain.step import SAME
from aigc_bench.plan.factors._racked import OTHER_EQUIPMENT, SERVERS
from aigc_bench.plan.factors.base import all_factors
from aigc_bench.plan.records.assessment import Assessment

NOT_KEPT = ("ingest_of_one_machine", "disk", "usable_share_of_the_disk")
"""Inputs of storage that are not part of what is stored."""

_NAMED = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True, kw_only=True)
class Side:
    """Hold how a required or available value is derived: formula, arithmetic over numbered inputs, and their keys."""

    formula: str
    arithmetic: str | None
    keys: list[str]


def add_factors(below: Below) -> None:
    """Add every factor of the option."""
    for name, found in below.option.factors.items():
        for what, value in found.inputs.items():
            add_input(below, input_key(below.at, name, what), what, value)
        _add_sides(below, name, found)


def _add_sides(below: Below, name: str, found: Assessment) -> None:
    title, trail, at = found.title.lower(), below.trail, below.key("factors", name)
    required, available = SIDES.get(name, _as_stated)(below, found)
    for word, value, side in (("required", found.required, required), ("available", found.available, available)):
        if value is not None:
            trail.computed(
                f"{at}.{word}", f"{title} {word}", value, formula=side.formula, inputs=side.keys, arithmetic=side.arithmetic
            )
    if found.headroom is not None:
        room = Estimate(value=found.headroom, low=found.headroom, high=found.headroom, unit="fraction", basis="modelled")
        both = (f"{at}.required", f"{at}.available")
        formula = "1 - required / available"
        trail.computed(f"{at}.headroom", f"head-room of {title}", room, formula=formula, inputs=both, arithmetic="1 - {0} / {1}")


def _as_stated(below: Below, found: Assessment) -> tuple[Side, Side]:
    """Return a factor as it states itself: its formula, and its arithmetic over the named inputs where it states one."""
    inputs = below.trail.starting(f"{below.key('factors', found.factor)}.inputs.")
    factor = all_factors().get(found.factor)
    stated = factor.arithmetic if factor is not None else {}
    required, available = (_by_name(below, found, stated.get(side), or_from=inputs) for side in ("required", "available"))
    return required, available


def _by_name(below: Below, found: Assessment, expression: str | None, *, or_from: list[str]) -> Side:
    """Return a side whose arithmetic names inputs of the assessment in braces; without one, the formula over all inputs."""
    if expression is None or not set(_NAMED.findall(expression)) <= set(found.inputs):
        return Side(formula=found.formula, arithmetic=None, keys=or_from or [below.key("num_servers")])
    of = Inputs()
    arithmetic = _NAMED.sub(lambda name: of(input_key(below.at, found.factor, name[1])), expression)
    return Side(formula=expression.replace("{", "").replace("}", ""), arithmetic=arithmetic, keys=of.keys)


def _same(key: str) -> Side:
    return Side(formula=SAME, arithmetic="{0}", keys=[key])


def _product(formula: str, *keys: str) -> Side:
    return Side(formula=formula, arithmetic=" * ".join(f"{{{place}}}" for place in range(len(keys))), keys=list(keys))


def _nothing(formula: str) -> Side:
    return Side(formula=formula, arithmetic=None, keys=[])


def _compute(below: Below, found: Assessment) -> tuple[Side, Side]:
    """Return the sides of the assessed pool: the first with the same numbers."""
    for number, pool in enumerate(below.option.pools, start=1):
        if pool.required_machines == found.required and pool.available_machines == found.available:
            at = below.key("pools", number)
            return _same(f"{at}.required"), _same(f"{at}.available")
    return _as_stated(below, found)


def _memory(below: Below, found: Assessment) -> tuple[Side, Side]:
    place = next((one for one in ("host", "device") if found.inputs.get(f"{one} memory required") == found.required), None)
    if place is None:
        return _as_stated(below, found)
    required, size = (input_key(below.at, "memory", f"{place} memory{word}") for word in (" required", ""))
    return _same(required), _product("memory x usable share", size, input_key(below.at, "memory", "usable share"))


def _network(below: Below, found: Assessment) -> tuple[Side, Side]:
    """Return the site's uplink with the traffic of all services, or the link of the busiest machine."""
    if found.available is not None and found.available == below.site.egress_bits_per_s:
        return _same(input_key(below.at, "network", "traffic of all services")), _same(below.limit("egress_bits_per_s"))
    link = _product(
        "link rate x payload share",
        input_key(below.at, "network", "link rate"),
        input_key(below.at, "network", "payload share of the link"),
    )
    for number, pool in enumerate(below.option.pools, start=1):
        of = Inputs()
        names = [name for name in pool.loads if below.is_service(name)]
        traffic = of.plus(input_key(below.at, "network", f"traffic at the peak, {name}") for name in names)
        words = f"{traffic} / {of(below.key('pools', number, 'available'))}"
        side = Side(formula="traffic of a pool's services at the peak / its machines", arithmetic=words, keys=of.keys)
        sent = sum(found.inputs[f"traffic at the peak, {name}"].value for name in names)
        if found.required is not None and _is_near(sent / pool.available_machines.value, found.required.value):
            return side, link
    return _as_stated(below, found)[0], link


def _is_near(one: float, other: float) -> bool:
    return abs(one - other) <= 1e-9 * max(abs(one), abs(other))


def _storage(below: Below, found: Assessment) -> tuple[Side, Side]:
    prefix, of = f"{below.key('factors', 'storage')}.inputs.", Inputs()
    kept = [key for key in below.trail.starting(prefix) if not key.removeprefix(prefix).startswith(NOT_KEPT)]
    required = Side(formula="sum of what is stored on one machine", arithmetic=of.plus(kept), keys=of.keys)
    disk = _product("disk x usable share", f"{prefix}disk", f"{prefix}usable_share_of_the_disk")
    return required, disk


def _in_rack(below: Below, found: Assessment, watts: str, what: str) -> Side:
    """Return servers in the fullest rack x watts of one + its other equipment, or all servers of a provider."""
    one = below.key("machine", watts)
    if found.verdict == "provider":
        return _product(f"servers x {what}", below.key("num_servers"), one)
    servers, others = (input_key(below.at, found.factor, name) for name in (SERVERS, OTHER_EQUIPMENT))
    if OTHER_EQUIPMENT not in found.inputs:
        return _product(f"servers in the fullest rack x {what}", servers, one)
    formula = f"servers in the fullest rack x {what} + switches and storage in it"
    return Side(formula=formula, arithmetic="{0} * {1} + {2}", keys=[servers, one, others])


def _cooling(below: Below, found: Assessment) -> tuple[Side, Side]:
    suits = found.available is not None and found.available.value > 0
    limit = _same(below.limit("rack_cooling_w")) if suits else _nothing("zero: the cooling does not suit this server")
    return _in_rack(below, found, "design_heat_w", "design heat of one"), limit


def _power(below: Below, found: Assessment) -> tuple[Side, Side]:
    """Return a rack's feed, or the IT power of the whole site."""
    everything = found.inputs.get("peak power of the IT")
    if below.site.power_w is not None and (found.required, found.available) == (everything, below.site.power_w):
        return _same(input_key(below.at, "power", "peak power of the IT")), _same(below.limit("power_w"))
    return _in_rack(below, found, "peak_power_w", "peak power of one"), _same(below.limit("rack_power_w"))


Maker = Callable[[Below, Assessment], tuple[Side, Side]]
SIDES: Mapping[str, Maker] = {
    "compute": _compute,
    "memory": _memory,
    "network": _network,
    "storage": _storage,
    "cooling": _cooling,
    "power": _power,
}
