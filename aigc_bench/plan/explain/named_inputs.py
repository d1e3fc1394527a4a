"""What the named inputs of the six factors and of the cost lines are computed from; others stand as they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aigc_bench.plan.explain.step import Trail, slug


@dataclass(frozen=True, kw_only=True)
class Computed:
    """A formula and the keys of what goes in, below the option ``at``; ``of`` is the service or job that is meant."""

    formula: str
    keys: Callable[[str, str], tuple[str, ...]]


def _demand(of: str, *names: str) -> tuple[str, ...]:
    """Numbers of a service or job of the demand; it is one of the two."""
    return tuple(f"demand.{kind}.{of}.{name}" for kind in ("services", "jobs") for name in names)


BY_NAME: dict[str, Computed] = {
    "mean utilisation of all servers": Computed(
        formula="sum of mean busy machines / (servers x machines per server), at most 1",
        keys=lambda at, _: (f"{at}.loads.*.mean_machines", f"{at}.num_servers", f"{at}.machine.machines_per_server"),
    ),
    "device memory required": Computed(
        formula="the largest of what lies in a device's memory at once",
        keys=lambda at, _: (f"{at}.machine.capabilities.*.device_memory_bytes",),
    ),
    "host memory required": Computed(
        formula="the largest of what lies in a host's memory at once",
        keys=lambda at, _: (f"{at}.machine.capabilities.*.host_memory_bytes",),
    ),
    "traffic at the peak": Computed(
        formula="requests/s at the peak x (request + answer bytes) x 8",
        keys=lambda _, of: _demand(of, "arrival.peak_requests_per_s", "request_bytes", "response_bytes"),
    ),
    "traffic of all services": Computed(
        formula="sum over the services", keys=lambda at, _: (f"{at}.factors.network.inputs.traffic_at_the_peak*",)
    ),
    "answers kept": Computed(
        formula="requests/s at the peak x duty x 86,400 x answer bytes x days / machines",
        keys=lambda at, of: (
            *_demand(of, "arrival.peak_requests_per_s", "arrival.duty", "response_bytes", "kept_days"),
            f"{at}.factors.compute.available",
        ),
    ),
    "data set": Computed(
        formula="items x bytes of one x copies",
        keys=lambda _, of: (*_demand(of, "items", "bytes_per_item"), "rules.dataset_copies"),
    ),
    "checkpoints": Computed(
        formula="parameters x bytes of a checkpoint per parameter x checkpoints kept",
        keys=lambda at, of: (f"{at}.loads.{of}.num_params", "rules.checkpoint_bytes_per_param", "rules.checkpoints_kept"),
    ),
    "ingest of one machine": Computed(
        formula="throughput of one machine x bytes of an item",
        keys=lambda at, of: (f"{at}.loads.{of}.throughput_per_accelerator", *_demand(of, "bytes_per_item")),
    ),
    "heat of all servers": Computed(
        formula="servers x design heat of one", keys=lambda at, _: (f"{at}.num_servers", f"{at}.machine.design_heat_w")
    ),
    "heat of all servers, BTU/h": Computed(
        formula="W x 3.41214", keys=lambda at, _: (f"{at}.num_servers", f"{at}.machine.design_heat_w")
    ),
    "refrigeration": Computed(formula="W / 3,516.85", keys=lambda at, _: (f"{at}.num_servers", f"{at}.machine.design_heat_w")),
    "airflow": Computed(
        formula="BTU/h / (1.08 x rise in degF)",
        keys=lambda at, _: (f"{at}.num_servers", f"{at}.machine.design_heat_w", f"{at}.factors.cooling.inputs.rise_of_the_air"),
    ),
    "peak power of all servers": Computed(
        formula="servers x peak power of one", keys=lambda at, _: (f"{at}.num_servers", f"{at}.machine.peak_power_w")
    ),
    "UPS input for all servers": Computed(
        formula="servers x peak power of one / efficiency of the UPS",
        keys=lambda at, _: (f"{at}.num_servers", f"{at}.machine.peak_power_w", "rules.ups_efficiency"),
    ),
    "site power with cooling": Computed(
        formula="servers x peak power of one x PUE",
        keys=lambda at, _: (f"{at}.num_servers", f"{at}.machine.peak_power_w", "demand.site.pue"),
    ),
    "peak power of the IT": Computed(
        formula="servers x peak power of one + nameplates of switches and storage",
        keys=lambda at, _: (f"{at}.num_servers", f"{at}.machine.peak_power_w"),
    ),
    "energy beyond the IT": Computed(
        formula="energy of the IT x (PUE - 1)", keys=lambda at, _: (f"{at}.energy_kwh_per_year", "demand.site.pue")
    ),
    "instances at work": Computed(
        formula="reserved: all instances; else those of each hour's whole replicas, of jobs in their windows, and spares",
        keys=lambda at, _: (
            f"{at}.loads.*.accelerators_busy_at_peak",
            f"{at}.loads.*.mean_machines",
            "rules.target_utilisation",
            f"{at}.num_servers",
            f"{at}.machine.machines_per_server",
        ),
    ),
    "requests a year": Computed(
        formula="requests/s at the peak x duty x mean growth x seconds of a year",
        keys=lambda _, of: (*_demand(of, "arrival.peak_requests_per_s", "arrival.duty"), "growth.mean"),
    ),
}


def computed_of(name: str) -> tuple[Computed, str] | None:
    """How the input of that name is computed, and the service or job it is of."""
    if name in BY_NAME:
        return BY_NAME[name], ""
    what, comma, of = name.partition(", ")
    return (BY_NAME[what], of) if comma and what in BY_NAME else None


def spread(trail: Trail, patterns: tuple[str, ...]) -> list[str]:
    """The keys of a trail that patterns with one ``*`` stand for."""
    found: list[str] = []
    for pattern in patterns:
        head, star, tail = pattern.partition("*")
        found += [key for key in trail.starting(head) if key.endswith(tail)] if star else [pattern]
    return found


def input_key(at: str, factor: str, name: str) -> str:
    """The key of a factor's input."""
    return f"{at}.factors.{factor}.inputs.{slug(name)}"
