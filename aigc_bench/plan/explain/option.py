"""The steps of one option: machine, loads, counts, six factors, money, carbon; of a mixed one those of its parts and their sums."""

from __future__ import annotations

from collections.abc import Iterable

from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.demand import Demand
from aigc_bench.plan.explain.money import add_chances, add_money
from aigc_bench.plan.explain.named_inputs import computed_of, input_key, spread
from aigc_bench.plan.explain.step import Trail, counted
from aigc_bench.plan.records import Assessment, Load, Machine, Option

SUMS = (
    ("num_machines", "machines"), ("capex_usd", "purchase"), ("opex_usd_per_year", "running cost a year"),
    ("tco_usd", "total cost"),
    ("energy_kwh_per_year", "energy of the IT a year"), ("carbon_kg", "greenhouse gases over the life"),
)  # fmt: skip

PROVIDED_WATTS = {"cooling": "design_heat_w", "power": "peak_power_w"}
"""What is required where a provider answers for the factor."""


def add_option(trail: Trail, option: Option, demand: Demand, *, at: str) -> None:
    """Every step of an option, below the key ``at``."""
    if option.parts:
        _add_mixed(trail, option, demand, at=at)
        return
    machine = option.machine
    if machine is not None:
        _add_machine(trail, machine, at=f"{at}.machine")
        for load in option.loads:
            _add_load(trail, load, machine, at=f"{at}.loads.{load.name}", is_service=_is_service(load, demand))
    for name, factor in option.factors.items():
        _add_inputs(trail, factor, at=at, name=name)
    _add_compute(trail, option, at=at)
    _add_counts(trail, option, at=at)
    for name, factor in option.factors.items():
        _add_late_inputs(trail, factor, at=at, name=name)
    for name, factor in option.factors.items():
        _add_factor(trail, factor, at=f"{at}.factors.{name}")
    add_money(trail, option, demand, at=at)


def _is_service(load: Load, demand: Demand) -> bool:
    return any(service.name == load.name for service in demand.services)


def _add_machine(trail: Trail, machine: Machine, *, at: str) -> None:
    records: list[tuple[str, Record]] = [(at, machine)]
    records += [(f"{at}.capabilities.{able.case}", able) for able in machine.capabilities]
    for path, record in records:
        for name in type(record).model_fields:
            value = getattr(record, name)
            if isinstance(value, Estimate):
                trail.leaf(f"{path}.{name}", name.replace("_", " "), value)


def _add_load(trail: Trail, load: Load, machine: Machine, *, at: str, is_service: bool) -> None:
    """What a load asks of machines; keys as in ``--json``."""
    able = next((one for one in machine.capabilities if one.case == load.case), None)
    fast = f"{at}.throughput_per_accelerator"
    if able is not None:
        trail.leaf(fast, f"throughput of one machine, {load.name}", able.throughput)
        for name, value in (("ttft_s", able.ttft_s), ("tpot_s", able.tpot_s)):
            if value is not None:
                trail.leaf(f"{at}.{name}", f"{name[:4].upper()} of {load.name}", value)
        if able.num_params:
            params = counted(able.num_params, "parameters", f"counted on the network of {load.case}")
            trail.leaf(f"{at}.num_params", f"parameters of {load.name}", params)
    if load.latency_s is not None:
        _add_latency(trail, load, at=at)
    if is_service:
        _add_service(trail, load, at=at, fast=fast)
    else:
        _add_job(trail, load, at=at, fast=fast)


def _add_latency(trail: Trail, load: Load, *, at: str) -> None:
    assert load.latency_s is not None, "the caller looked"
    formula = "items of a request / items of a step x time of a step, nobody waiting"
    trail.leaf(f"{at}.latency_s", f"latency of one request, {load.name}", load.latency_s, source=load.latency_s.source or formula)


def _add_service(trail: Trail, load: Load, *, at: str, fast: str) -> None:
    asked = [f"demand.services.{load.name}.{name}" for name in ("arrival.peak_requests_per_s", "items_per_request")]
    duty = f"demand.services.{load.name}.arrival.duty"
    of = load.name
    peak = trail.computed(
        f"{at}.peak",
        f"peak rate of {of}",
        load.rate_items_per_s,
        formula="requests/s at the peak x items of one x growth",
        inputs=(*asked, "growth.last"),
    )
    busy = f"{at}.accelerators_busy_at_peak"
    trail.computed(busy, f"busy machines, {of}", load.busy_machines, formula="peak rate / throughput of one", inputs=(peak, fast))
    usual = (*asked, duty, "growth.mean")
    words = "requests/s at the peak x items of one x duty x mean growth"
    mean = f"{at}.mean_machines"
    trail.computed(mean, f"mean busy machines, {of}", load.mean_machines, formula=f"{words} / throughput", inputs=(*usual, fast))
    year = f"{at}.items_per_year"
    trail.computed(year, f"{load.item}s a year, {of}", load.items_per_year, formula=f"{words} x seconds of a year", inputs=usual)


def _add_job(trail: Trail, load: Load, *, at: str, fast: str) -> None:
    items, window, runs = (f"demand.jobs.{load.name}.{name}" for name in ("items", "window_s", "runs_per_day"))
    of = load.name
    peak = trail.computed(
        f"{at}.peak", f"rate of {of} in its window", load.rate_items_per_s, formula="items / window", inputs=(items, window)
    )
    busy = trail.computed(
        f"{at}.accelerators_busy_at_peak",
        f"busy machines, {of}",
        load.busy_machines,
        formula="items / (throughput x window x goodput)",
        inputs=(peak, fast, "rules.job_goodput"),
    )
    mean = f"{at}.mean_machines"
    words = "busy machines x share of the day that the window is open"
    trail.computed(mean, f"mean busy machines, {of}", load.mean_machines, formula=words, inputs=(busy, window, runs))
    year, words = f"{at}.items_per_year", "items x runs a day x 365.25"
    trail.computed(year, f"{load.item}s a year, {of}", load.items_per_year, formula=words, inputs=(items, runs))


def _add_inputs(trail: Trail, factor: Assessment, *, at: str, name: str) -> None:
    """The inputs that are taken as they stand."""
    for what, value in factor.inputs.items():
        if computed_of(what) is None:
            same, key = trail.known(value), input_key(at, name, what)
            if same is None:
                trail.leaf(key, what, value)
            else:
                trail.computed(key, what, value, formula="the same number", inputs=(same,))


def _add_late_inputs(trail: Trail, factor: Assessment, *, at: str, name: str) -> None:
    """The inputs that are computed, also from the number of servers."""
    for what, value in factor.inputs.items():
        found = computed_of(what)
        if found is not None:
            how, of = found
            keys = spread(trail, how.keys(at, of))
            trail.computed(input_key(at, name, what), what, value, formula=how.formula, inputs=keys)


def _add_compute(trail: Trail, option: Option, *, at: str) -> None:
    """What compute requires; servers are counted from it."""
    found, machine = option.factors.get("compute"), option.machine
    if found is None or found.required is None or machine is None:
        return
    busy = [f"{at}.loads.{load.name}.accelerators_busy_at_peak" for load in option.loads]
    rules = ("rules.target_utilisation", "rules.off_peak_share")
    key = f"{at}.factors.compute.required"
    trail.computed(key, "machines required", found.required, formula=found.formula.partition(";")[0], inputs=(*busy, *rules))


def _add_counts(trail: Trail, option: Option, *, at: str) -> None:
    """Servers, spares, accelerators and racks."""

    def add(name: str, value: float | None, unit: str, formula: str, inputs: Iterable[str]) -> str:
        key = f"{at}.{name}"
        if value is not None:
            trail.computed(key, name.removeprefix("num_"), counted(value, unit, formula), formula=formula, inputs=inputs)
        return key

    needs, size = f"{at}.factors.compute.required", f"{at}.machine.machines_per_server"
    spare_words = "the fewest servers beside those in service that keep the asked availability (k of n, binomial)"
    spares = add("num_spares", option.num_spares, "servers", spare_words, ("rules.machine_availability", "demand.availability"))
    words = "servers that hold the required machines in whole replicas, and the spares"
    servers = add("num_servers", option.num_servers, "servers", words, (needs, size, spares))
    each = f"{at}.machine.devices_per_server"
    if option.machine is not None:
        count = counted(option.machine.devices_per_server, "accelerators/server", f"data sheet of {option.machine.server}")
        trail.leaf(each, "accelerators of one server", count)
    add("num_accelerators", option.num_accelerators, "accelerators", "servers x accelerators of one", (servers, each))
    room = ("demand.site.rack_power_w", "demand.site.rack_cooling_w", f"{at}.machine.peak_power_w", f"{at}.machine.design_heat_w")
    add("num_racks", option.num_racks, "racks", "servers / what a rack holds by watts, heat and height", (servers, *room))
    pools = (needs, f"{at}.factors.compute.required")
    trail.computed(
        f"{at}.num_machines", "machines", option.num_machines, formula="required machines of all pools, rounded up", inputs=pools
    )


def _add_factor(trail: Trail, found: Assessment, *, at: str) -> None:
    name = found.title.lower()
    inputs = [key for key in trail.starting(f"{at}.inputs.") if not key.endswith("mean_utilisation_of_all_servers")]
    option = at.partition(".factors.")[0]
    if not inputs:
        inputs = [f"{option}.machine.{watts}" for watts in (PROVIDED_WATTS.get(found.factor),) if watts] + [f"{option}.num_servers"]
    if found.required is not None:
        trail.computed(f"{at}.required", f"{name} required", found.required, formula=found.formula, inputs=inputs)
    if found.available is not None:
        same = trail.known(found.available)
        if same is not None and not same.startswith(at):
            trail.computed(f"{at}.available", f"{name} available", found.available, formula="the same number", inputs=(same,))
        elif found.factor == "compute":
            fleet = (f"{option}.num_servers", f"{option}.num_spares", f"{option}.machine.machines_per_server")
            words = "(servers - spares) x machines per server"
            trail.computed(f"{at}.available", f"{name} available", found.available, formula=words, inputs=fleet)
        else:
            trail.computed(f"{at}.available", f"{name} available", found.available, formula=found.formula, inputs=inputs)
    if found.headroom is not None:
        value = Estimate(value=found.headroom, low=found.headroom, high=found.headroom, unit="fraction", basis="modelled")
        both = (f"{at}.required", f"{at}.available")
        trail.computed(f"{at}.headroom", f"head-room of {name}", value, formula="1 - required / available", inputs=both)


def _add_mixed(trail: Trail, option: Option, demand: Demand, *, at: str) -> None:
    """The parts, and the option's own numbers as their sums."""
    parts = [f"{at}.parts.{number}" for number in range(1, len(option.parts) + 1)]
    for part, path in zip(option.parts, parts, strict=True):
        add_option(trail, part, demand, at=path)
    for name, title in SUMS:
        value = getattr(option, name)
        if value is not None:
            inputs = [f"{path}.{name}" for path in parts]
            trail.computed(f"{at}.{name}", title, value, formula="sum over the parts", inputs=inputs)
    for name in ("num_servers", "num_spares", "num_accelerators", "num_racks"):
        value = getattr(option, name)
        if value is not None:
            number, title = counted(value, name.removeprefix("num_"), "sum over the parts"), name.removeprefix("num_")
            trail.computed(f"{at}.{name}", title, number, formula="sum over the parts", inputs=[f"{path}.{name}" for path in parts])
    _add_copies(trail, at=at, parts=parts, option=option)
    add_chances(trail, option, at=at)


def _add_copies(trail: Trail, *, at: str, parts: list[str], option: Option) -> None:
    """What a mixed option takes over from one of its parts: loads, cost lines, costs of a unit, the scarcest factor."""
    for path in parts:
        for key in trail.starting(f"{path}.loads.", f"{path}.usd_per_unit.", f"{path}.carbon_kg_per_unit."):
            step = trail[key]
            trail.computed(f"{at}{key.removeprefix(path)}", step.title, step.value, formula="the same number", inputs=(key,))
    for name, factor in option.factors.items():
        speaker = next((path for path, part in zip(parts, option.parts, strict=True) if part.factors.get(name) == factor), parts[0])
        for key in trail.starting(f"{speaker}.factors.{name}."):
            step = trail[key]
            words = "of the part with the least head-room"
            trail.computed(f"{at}{key.removeprefix(speaker)}", step.title, step.value, formula=words, inputs=(key,))
    for number, line in enumerate(option.costs):
        same = trail.known(line.usd_per_year)
        trail.computed(
            f"{at}.costs.{line.key}" if _is_first(option, number) else f"{at}.costs.{line.key}.{number}",
            line.name,
            line.usd_per_year,
            formula=line.formula,
            inputs=(same,) if same else trail.fed(f"{at}.costs.{line.key}.{number}", line.inputs),
        )


def _is_first(option: Option, number: int) -> bool:
    return all(line.key != option.costs[number].key for line in option.costs[:number])
