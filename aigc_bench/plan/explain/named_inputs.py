"""Derive the named inputs of the factors and of the cost lines; other inputs are leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aigc_bench.core.records import Estimate
from aigc_bench.core.units import SECONDS_PER_YEAR
from aigc_bench.plan.explain.arithmetic import Inputs
from aigc_bench.plan.explain.place import OFF_PEAK, Below
from aigc_bench.plan.explain.step import SAME, slug
from aigc_bench.plan.factors._racked import OF_A_FILL, OF_THE_LAYOUT, SERVERS
from aigc_bench.plan.money.offers import IS_ELASTIC
from aigc_bench.plan.site.heat import (
    AIR_BTU_PER_HOUR_PER_CFM_F,
    BTU_PER_HOUR_PER_W,
    FAHRENHEIT_PER_KELVIN,
    TON_OF_REFRIGERATION_W,
)


@dataclass(frozen=True, kw_only=True)
class Computed:
    """Hold a formula in words, its arithmetic over numbered inputs if it has one, and the keys of these."""

    formula: str
    arithmetic: str | None
    keys: list[str]


ELASTIC: frozenset[str] = frozenset(term for term, is_elastic in IS_ELASTIC.items() if is_elastic)
Maker = Callable[[Below, str], Computed]
"""Maps an option and a service or job (empty if neither) to the derivation of the input."""


def _same(*parts: str) -> Maker:
    """Return the number under another key of the option; an empty part stands for the service or job."""
    return lambda below, of: Computed(formula=SAME, arithmetic="{0}", keys=[below.key(*(part or of for part in parts))])


def _stated(key: str) -> Maker:
    """Return a number of the demand or of the rules."""
    return lambda _, __: Computed(formula=SAME, arithmetic="{0}", keys=[key])


def _of(formula: str, arithmetic: str, *keys: str) -> Maker:
    """Return arithmetic over keys of the option, or over those that begin with ``demand.`` or ``rules.``."""

    def make(below: Below, _: str) -> Computed:
        """Return the derivation of an option's input."""
        found = [key if key.startswith(("demand.", "rules.", "growth.")) else below.key(key) for key in keys]
        return Computed(formula=formula, arithmetic=arithmetic, keys=found)

    return make


def _utilisation(below: Below, _: str) -> Computed:
    of = Inputs()
    busy, servers, size = below.mean_busy(of), of(below.key("num_servers")), of(below.key("machine", "machines_per_server"))
    words = "sum of mean busy machines / (servers x machines per server), at most 1"
    return Computed(
        formula=words, arithmetic=f"min(1, {busy} / ({servers} * {size}))" if below.option.num_servers else "0", keys=of.keys
    )


def _resident(place: str) -> Maker:
    """Return the largest sum of peaks on one machine: every service and one job, or one load at a time on shared machines."""

    def make(below: Below, _: str) -> Computed:
        """Return the derivation of an option's input."""
        of = Inputs()
        pools = [_peaks(below, of, place, pool.loads) for pool in below.option.pools]
        words = f"maximum of what is resident in {place} memory together"
        return Computed(formula=words, arithmetic=_most(pools), keys=of.keys)

    return make


def _peaks(below: Below, of: Inputs, place: str, names: tuple[str, ...]) -> str:
    keys = {name: of(below.capability(name, f"{place}_memory_bytes")) for name in names}
    services = [keys[name] for name in names if below.is_service(name)]
    jobs = [keys[name] for name in names if not below.is_service(name)]
    if below.option.placement == "shared":
        return _most(services + jobs)
    return " + ".join([*services, *([_most(jobs)] if jobs else [])])


def _most(terms: list[str]) -> str:
    distinct = list(dict.fromkeys(terms))
    return f"max({', '.join(distinct)})" if len(distinct) > 1 else distinct[0] if distinct else "0"


def _traffic(below: Below, of: str) -> Computed:
    keys = [*below.demanded(of, "arrival.peak_requests_per_s", "request_bytes", "response_bytes"), "growth.last"]
    words = "peak requests/s x growth x (request + response bytes) x 8"
    return Computed(formula=words, arithmetic="{0} * {3} * ({1} + {2}) * 8", keys=keys)


def _all_traffic(below: Below, _: str) -> Computed:
    of = Inputs()
    names = [load.name for load in below.option.loads if below.is_service(load.name)]
    words = of.plus(input_key(below.at, "network", f"traffic at the peak, {name}") for name in names)
    return Computed(formula="sum over the services", arithmetic=words, keys=of.keys)


def _answers(below: Below, of: str) -> Computed:
    keys = below.demanded(of, "arrival.peak_requests_per_s", "arrival.duty", "response_bytes", "kept_days")
    words = "peak requests/s x duty x growth x 86,400 x response bytes x days / machines"
    return Computed(
        formula=words,
        arithmetic="{0} * {1} * {4} * 86400 * {2} * {3} / {5}",
        keys=[*keys, "growth.last", below.key("pools", pool_of(below, of), "available")],
    )


def pool_of(below: Below, name: str) -> int:
    """Return the number of the pool that serves a load, from 1."""
    return next(number for number, pool in enumerate(below.option.pools, start=1) if name in pool.loads)


def _dataset(below: Below, of: str) -> Computed:
    keys = [*below.demanded(of, "items", "bytes_per_item"), "rules.dataset_copies"]
    return Computed(formula="items x bytes per item x copies", arithmetic="{0} * {1} * {2}", keys=keys)


def _checkpoints(below: Below, of: str) -> Computed:
    stated = f"demand.jobs.{of}.checkpoints.kept"
    kept = stated if stated in below.trail else "rules.checkpoints_kept"
    keys = [below.load(of, "num_params"), "rules.checkpoint_bytes_per_param", kept]
    words = "parameters x checkpoint bytes per parameter x checkpoints kept"
    return Computed(formula=words, arithmetic="{0} * {1} * {2}", keys=keys)


def _results(below: Below, of: str) -> Computed:
    keys = [
        *below.demanded(of, "items", "response_bytes", "runs_per_day", "kept_days"),
        below.key("pools", pool_of(below, of), "available"),
    ]
    words = "items per run x result bytes x runs kept together / machines"
    return Computed(formula=words, arithmetic="{0} * {1} * max(1, {2} * {3}) / {4}", keys=keys)


def _ingest(below: Below, of: str) -> Computed:
    keys = [below.load(of, "throughput_per_accelerator"), *below.demanded(of, "bytes_per_item")]
    return Computed(formula="throughput per machine x bytes per item", arithmetic="{0} * {1}", keys=keys)


def _at_work(below: Below, _: str) -> Computed:
    """Return the rented instances that are paid: on elastic terms the hourly mean, else all."""
    if below.option.term not in ELASTIC:
        return Computed(formula="all reserved instances", arithmetic="{0}", keys=[below.key("num_servers")])
    keys = [
        *(below.load(load.name, "accelerators_busy_at_peak") for load in below.busy),
        *(below.load(load.name, "mean_machines") for load in below.busy),
        "rules.target_utilisation",
        below.key("machine", "machines_per_server"),
        below.key("num_servers"),
    ]
    words = "hourly mean of the instances of whole replicas, of jobs in their windows, and of spares (plan.elastic)"
    return Computed(formula=words, arithmetic=None, keys=keys)


def _requests(below: Below, of: str) -> Computed:
    keys = [*below.demanded(of, "arrival.peak_requests_per_s", "arrival.duty"), "growth.mean"]
    words = "peak requests/s x duty x mean growth x seconds per year"
    return Computed(formula=words, arithmetic=f"{{0}} * {{1}} * {{2}} * {SECONDS_PER_YEAR:.0f}", keys=keys)


def _in_rack(below: Below, _: str) -> Computed:
    """Return the servers of the fullest rack, from the layout if a room is planned."""
    holds = below.key("servers_per_rack")
    keys = [below.key("num_servers"), holds]
    if below.option.room is not None:
        return Computed(formula=OF_THE_LAYOUT, arithmetic=None, keys=keys)
    words = "min({0}, max(1, {1}))" if holds in below.trail else "{0}"
    return Computed(formula=OF_A_FILL, arithmetic=words, keys=keys)


_SERVERS_HEAT = "factors.cooling.inputs.heat_of_all_servers"
_HEAT = "factors.cooling.inputs.heat_of_the_IT"
_PEAK = "factors.power.inputs.peak_power_of_the_IT"
_AIR = f"{AIR_BTU_PER_HOUR_PER_CFM_F} * {FAHRENHEIT_PER_KELVIN}"
BY_NAME: dict[str, Maker] = {
    "busy machines": _same("loads", "", "accelerators_busy_at_peak"),
    "target utilisation": _stated("rules.target_utilisation"),
    "off-peak share": _stated(OFF_PEAK),
    "availability of one server": _stated("rules.machine_availability"),
    "mean utilisation of all servers": _utilisation,
    "usable share": _stated("rules.usable_memory"),
    "device memory required": _resident("device"),
    "host memory required": _resident("host"),
    "device memory": _same("machine", "device_memory_bytes"),
    "host memory": _same("machine", "host_memory_bytes"),
    "traffic at the peak": _traffic,
    "traffic of all services": _all_traffic,
    "payload share of the link": _stated("rules.link_goodput"),
    "link rate": _same("machine", "network_bits_per_s"),
    "answers kept": _answers,
    "data set": _dataset,
    "results kept": _results,
    "checkpoints": _checkpoints,
    "ingest of one machine": _ingest,
    "disk": _same("machine", "disk_bytes"),
    "usable share of the disk": _stated("rules.usable_storage"),
    "design heat of one server": _same("machine", "design_heat_w"),
    "warmest air that the server takes": _same("machine", "inlet_limit_c"),
    "heat of all servers": _of("servers x design heat per server", "{0} * {1}", "num_servers", "machine.design_heat_w"),
    "heat of all servers, BTU/h": _of("W x 3.412", f"{{0}} * {BTU_PER_HOUR_PER_W}", _SERVERS_HEAT),
    "heat of the IT": _of(
        "heat of all servers + peak power of switches and storage", "{0} + {1}", _SERVERS_HEAT, "peak_beside_servers_w"
    ),
    SERVERS: _in_rack,
    "refrigeration": _of("W / 3,516.85", f"{{0}} / {TON_OF_REFRIGERATION_W}", _HEAT),
    "airflow": _of(
        "BTU/h / (1.08 x rise in degF)",
        f"{{0}} * {BTU_PER_HOUR_PER_W} / ({_AIR} * {{1}})",
        _HEAT,
        "factors.cooling.inputs.rise_of_the_air",
    ),
    "peak power of one server": _same("machine", "peak_power_w"),
    "idle power of one server": _same("machine", "idle_power_w"),
    "power of one server at work": _same("machine", "full_power_w"),
    "peak power of all servers": _of("servers x peak power per server", "{0} * {1}", "num_servers", "machine.peak_power_w"),
    "UPS input": _of("peak power / UPS efficiency", "{0} / {1}", _PEAK, "rules.ups_efficiency"),
    "site power with cooling": _of("peak power x PUE", "{0} * {1}", _PEAK, "demand.site.pue"),
    "PUE": _stated("demand.site.pue"),
    "tariff": _stated("demand.site.electricity_usd_per_kwh"),
    "demand charge": _stated("demand.site.demand_charge_usd_per_kw_month"),
    "rent of space": _stated("demand.finance.space_usd_per_kw_month"),
    "purchase": _same("capex_usd"),
    "discount rate": _stated("demand.finance.discount_rate"),
    "residual share": _stated("demand.finance.residual_share"),
    "energy of the IT": _same("energy_kwh_per_year"),
    "energy beyond the IT": _of("IT energy x (PUE - 1)", "{0} * ({1} - 1)", "energy_kwh_per_year", "demand.site.pue"),
    "peak power of the IT": _of(
        "servers x peak power per server + peak power of switches and storage",
        "{0} * {1} + {2}",
        "num_servers",
        "machine.peak_power_w",
        "peak_beside_servers_w",
    ),
    "instances at work": _at_work,
    "accelerators of an instance": _same("machine", "machines_per_server"),
    "requests a year": _requests,
}


def computed_of(below: Below, name: str, *, of: str = "") -> Computed | None:
    """Return the derivation of a named input, of the service or job after its comma or of ``of``; ``None`` if it is a leaf."""
    if name in BY_NAME:
        return BY_NAME[name](below, of)
    what, comma, owner = name.partition(", ")
    return BY_NAME[what](below, owner) if comma and what in BY_NAME else None


def add_input(below: Below, key: str, name: str, value: Estimate, *, of: str = "") -> str:
    """Add the step of a named input and return its key."""
    trail, how = below.trail, computed_of(below, name, of=of)
    if how is None:
        same = trail.known(value)
        return trail.same(key, name, value, as_=same) if same is not None and same != key else trail.leaf(key, name, value)
    return trail.computed(key, name, value, formula=how.formula, inputs=how.keys, arithmetic=how.arithmetic)


def input_key(at: str, factor: str, name: str) -> str:
    """Return the key of a factor's input."""
    return f"{at}.factors.{factor}.inputs.{slug(name)}"
