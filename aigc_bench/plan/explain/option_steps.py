"""Add the numbers of one option under their keys: machine, loads, fleet, bill, money, carbon, factors; of a mixed one its parts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from aigc_bench.core.derivation import Derivation, derivation_of, record
from aigc_bench.core.messages import in_lower_case, message
from aigc_bench.core.records import Estimate, Record
from aigc_bench.core.trail import Trail, slug
from aigc_bench.plan.money.cash_by_year import cash_by_year
from aigc_bench.plan.records.demand import Demand
from aigc_bench.plan.records.machine import Load, Machine, Pool
from aigc_bench.plan.records.plan import HOURS_PER_YEAR, Assessment, Option
from aigc_bench.plan.records.replay import ReplayedJob, ReplayedService
from aigc_bench.plan.site.bill import COUNTED_BY, BillLine
from aigc_bench.plan.stats.estimates import counted, estimate, scaled

UNITS = r" (w|s|usd|kg|bytes|bits per s)$"
TITLES = {
    "machines_per_server": message("machines per server"),
    "service_s": message("time per request"),
    "step_latency_s": message("time per step"),
    "num_machines": message("machines"),
    "num_servers": message("servers"),
    "num_serving": message("servers in service"),
    "num_spares": message("spare servers"),
    "num_margin": message("safety margin in servers"),
    "num_accelerators": message("accelerators"),
    "num_racks": message("racks"),
    "servers_per_rack": message("servers per rack"),
    "peak_beside_servers_w": message("peak power of switches and storage"),
    "mean_beside_servers_w": message("mean power of switches and storage"),
    "capex_usd": message("purchase"),
    "energy_kwh_per_year": message("IT energy per year"),
    "opex_usd_per_year": message("running cost per year"),
    "tco_usd": message("total cost over the life"),
    "carbon_operation_kg": message("operational greenhouse gases over the life"),
    "carbon_making_kg": message("embodied greenhouse gases of the servers"),
    "carbon_kg": message("greenhouse gases over the life"),
}
NAMES = {
    "ttft_s": message("TTFT"),
    "tpot_s": message("TPOT"),
    "inlet_limit_c": message("highest inlet temperature"),
    "embodied_kg": message("embodied carbon"),
    "disk_bytes": message("local disks"),
    "fabric_bits_per_s": message("compute network rate"),
    "devices_per_server": message("accelerators"),
    "rack_units": message("height in rack units"),
}
"""Field of a machine or capability -> its name where the field's own words would not read as one."""
FOOTPRINT = ("carbon_operation_kg", "carbon_making_kg")
"""Keys of an option's two parts of greenhouse gases."""
PROBABILITIES = ("p_slo", "p_budget", "p_oom")
SCENARIO_COSTS = ("expected_cost_usd", "cost_p10_usd", "cost_p90_usd")
"""Costs over the scenarios, by which options are ranked."""
NOTHING_BOUGHT = message("nothing is bought")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Add numbers of an option below the key ``at``."""

    trail: Trail
    option: Option
    demand: Demand
    at: str

    def key(self, *parts: object) -> str:
        """Return a key of the option: ``key("factors", "power", "required")``."""
        return ".".join((self.at, *map(str, parts)))

    def add(self, key: str, title: str, value: Estimate | None, *, source: str | None = None) -> None:
        """Add a number if it is known."""
        if value is not None:
            self.trail.add(self.key(key), title, value, at=self.at, source=source)

    def own(self, *names: str) -> None:
        """Add fields of the option, or numbers that it derived, under their names."""
        for name in names:
            value = self.option.derived.get(name, getattr(self.option, name, None))
            if isinstance(value, Estimate):
                source = NOTHING_BOUGHT if name == "capex_usd" and self.option.kind in ("cloud", "api") else None
                self.add(name, TITLES.get(name, name), value, source=source)


def add_option(place: Place) -> None:
    """Add every number of an option."""
    option = place.option
    for number, part in enumerate(option.parts, start=1):
        add_option(Place(trail=place.trail, option=part, demand=place.demand, at=place.key("parts", number)))
    if option.machine is not None:
        _add_machine(place, option.machine)
    for load in option.loads:
        _add_load(place, load)
    for number, pool in enumerate(option.pools if not option.parts else (), start=1):
        _add_pool(place, number, pool)
    place.own("num_margin", "num_serving", "num_spares", "num_servers", "num_accelerators", "num_machines")
    place.own("servers_per_rack", "num_racks", "peak_beside_servers_w", "mean_beside_servers_w")
    for line in option.room.bill.lines if option.room else ():
        _add_bill(place, line)
    place.own("capex_usd", "energy_kwh_per_year")
    _add_rent(place)
    _add_costs(place)
    place.own("opex_usd_per_year", "tco_usd")
    _add_usd_per_unit(place)
    place.own(*FOOTPRINT, "carbon_kg")
    _add_carbon_per_unit(place)
    for name, found in option.factors.items():
        _add_factor(place, name, found)
    for name in (*PROBABILITIES, *SCENARIO_COSTS):
        chance = option.derived.get(name)
        if chance is not None:
            place.add(name, _title_of(chance, name), chance)
    _add_cash(place)


def _add_pool(place: Place, number: int, pool: Pool) -> None:
    """Add the machines that a pool requires and has."""
    loads = ", ".join(pool.loads)
    place.add(f"pools.{number}.required", message("machines required, {loads}", loads=loads), pool.required_machines)
    place.add(f"pools.{number}.available", message("machines available, {loads}", loads=loads), pool.available_machines)


def _add_usd_per_unit(place: Place) -> None:
    for name, value in place.option.usd_per_unit.items():
        place.add(f"usd_per_unit.{name}", message("cost per {unit}, {name}", unit=value.unit.partition("/")[2], name=name), value)


def _add_carbon_per_unit(place: Place) -> None:
    for name, value in place.option.carbon_kg_per_unit.items():
        place.add(
            f"carbon_kg_per_unit.{name}",
            message("greenhouse gases per {unit}, {name}", unit=value.unit.partition("/")[2], name=name),
            value,
        )


def _add_machine(place: Place, machine: Machine) -> None:
    """Add the capacity, power and price of the machine, and its capability for every load."""
    _add_record(place, machine, at="machine", of=message("one machine"))
    for load in place.option.loads:
        capability = next((one for one in machine.capabilities if one.case == load.case), None)
        if capability is not None:
            _add_record(place, capability, at=f"machine.capabilities.{load.name}", of=load.name)
    sheet = message("as planned for {server}", server=machine.server)
    counts = (("devices_per_server", machine.devices_per_server, "accelerators/server"), ("rack_units", machine.rack_units, "U"))
    for name, count, unit in counts:
        if count is not None:
            place.add(f"machine.{name}", message("{name} of one server", name=NAMES[name]), counted(count, unit, sheet))


def _add_record(place: Place, record: Record, *, at: str, of: str) -> None:
    for name in type(record).model_fields:
        value = getattr(record, name)
        if isinstance(value, Estimate):
            plain = re.sub(UNITS, "", name.replace("_", " "))
            words = TITLES.get(name) or message("{what} of {of}", what=NAMES.get(name, plain), of=of)
            place.add(f"{at}.{name}", words, value)


def _add_load(place: Place, load: Load) -> None:
    """Add the numbers of a load; keys as in ``--json``."""
    of, at = load.name, f"loads.{load.name}"
    # A mixed option has no machine of its own: its loads run on those of its parts.
    machines = [one.machine for one in (place.option, *place.option.parts) if one.machine is not None]
    capability = next((one for machine in machines for one in machine.capabilities if one.case == load.case), None)
    if capability is not None:
        place.add(f"{at}.throughput_per_accelerator", message("throughput per machine, {of}", of=of), capability.throughput)
        place.add(f"{at}.ttft_s", message("TTFT, {of}", of=of), capability.ttft_s)
        place.add(f"{at}.tpot_s", message("TPOT, {of}", of=of), capability.tpot_s)
    for name, number in load.derived.items():
        # A queue that requires no machines would only be noise among the numbers of a load.
        if number.value:
            place.add(f"{at}.{name}", _title_of(number, name), number)
    place.add(f"{at}.latency_s", message("request latency, {of}", of=of), load.latency_s)
    is_job = any(job.name == of for job in place.demand.jobs)
    place.add(
        f"{at}.peak",
        message("rate of {of} in its window", of=of) if is_job else message("peak rate of {of}", of=of),
        load.rate_items_per_s,
    )
    place.add(f"{at}.lost_share", message("share of time lost to checkpoints and interruptions, {of}", of=of), load.lost_share)
    place.add(f"{at}.accelerators_busy_at_peak", message("busy machines, {of}", of=of), load.busy_machines)
    place.add(f"{at}.mean_machines", message("mean busy machines, {of}", of=of), load.mean_machines)
    place.add(f"{at}.items_per_year", message("{item}s per year, {of}", item=load.item, of=of), load.items_per_year)


def _title_of(number: Estimate, name: str) -> str:
    """Return the title that the number's computation recorded, else its name."""
    found = derivation_of(number)
    return found.title if found is not None and found.title else name


def _add_bill(place: Place, line: BillLine) -> None:
    """Add count, watts, unit price and total of a line of the bill."""
    at, words = f"bill.{line.key}", line.note or COUNTED_BY[line.category]
    # The count of servers is the option's own; others follow from it by rules that are no arithmetic.
    servers, is_node = place.option.derived.get("num_servers"), line.category == "node"
    count = counted(line.count, "pieces", words)
    if servers is not None:
        record(count, Derivation("{0}" if is_node else None, (servers,), words))
    place.add(f"{at}.count", message("count: {name}", name=line.name), count)
    if line.peak_w is not None:
        watts = estimate(line.peak_w, unit="W", basis="datasheet", source=line.source)
        place.add(f"{at}.unit_w", message("peak power of one: {name}", name=line.name), watts)
        place.add(f"{at}.peak_w", message("peak power: {name}", name=line.name), scaled(watts, count))
    if line.unit_usd is not None:
        place.add(f"{at}.unit_usd", message("unit price: {name}", name=line.name), line.unit_usd, source=line.source)
        place.add(f"{at}.usd", line.name, line.usd)


def _add_rent(place: Place) -> None:
    """Add what a rented option reserves and pays for, under ``rent``; the parts of a mixed one have their own."""
    rent = place.option.rent
    if rent is None:
        return
    at_most = place.option.derived.get("num_servers") if not rent.lines else None
    hours = estimate(HOURS_PER_YEAR, unit="h/year", basis="modelled", source=message("365.25 days of 24 hours"))
    place.add("rent.instances_at_most", message("instances reserved at most"), at_most)
    place.add("rent.accelerators_per_instance", message("accelerators of an instance"), rent.accelerators_per_instance)
    for year, count in enumerate(rent.instances_by_year, start=1):
        place.add(f"rent.instances_by_year.{year}", message("instances paid in the mean of year {year}", year=year), count)
    place.add("rent.instances_mean", message("instances paid in the mean"), rent.instances_mean)
    place.add("rent.usd_per_accelerator_hour", message("rent of an accelerator"), rent.usd_per_accelerator_hour)
    place.add("rent.usd_per_instance_hour", message("rent of an instance"), rent.usd_per_instance_hour)
    place.add("rent.hours_per_year", message("hours of a year"), hours)
    place.add("rent.usd_per_year", message("rent per year"), rent.usd_per_year)


def _add_costs(place: Place) -> None:
    """Add the cost lines; a repeated key takes the number of its line."""
    seen: set[str] = set()
    for number, line in enumerate(place.option.costs):
        # Parts of a mixed option, and several APIs, have lines of one kind; the first keeps the plain key.
        at = f"costs.{line.key}.{number}" if line.key in seen else f"costs.{line.key}"
        seen.add(line.key)
        place.add(at, line.name, line.usd_per_year, source=line.formula)
        for name, value in line.inputs.items():
            place.add(f"{at}.{slug(name)}", name, value)


def _add_factor(place: Place, name: str, found: Assessment) -> None:
    title, at = in_lower_case(found.title), f"factors.{name}"
    for what, value in found.inputs.items():
        place.add(f"{at}.inputs.{slug(what)}", what, value)
    place.add(f"{at}.required", message("{title} required", title=title), found.required, source=found.formula)
    place.add(f"{at}.available", message("{title} available", title=title), found.available, source=found.formula)
    for what, value in found.derived.items():
        place.add(f"{at}.{what}", message("head-room of {title}", title=title), value)


def _add_cash(place: Place) -> None:
    """Add every year under ``cash.YEAR``; year 0 is the start."""
    for one in cash_by_year(place.option, place.demand.finance):
        when = message("at the start") if one.year == 0 else message("in year {year}", year=one.year)
        at = f"cash.{one.year}"
        place.add(f"{at}.purchase", message("paid {when}", when=when), one.purchase_usd)
        place.add(f"{at}.running", message("running cost {when}", when=when), one.running_usd)
        place.add(f"{at}.resale", message("resale {when}", when=when), one.resale_usd)
        place.add(f"{at}.sum", message("cumulative cost, {when}", when=when), one.cumulative_usd)


def input_key(at: str, factor: str, name: str) -> str:
    """Return the key of a factor's input."""
    return f"{at}.factors.{factor}.inputs.{slug(name)}"


def add_replay(place: Place) -> None:
    """Add a leaf for every share; a simulated share has no arithmetic."""
    replay = place.option.replay
    for service in replay.services if replay else ():
        for name, title, value in service_shares(service, seed=replay.seed if replay else 0):
            place.add(f"replay.{service.name}.{name}", message("{title}, {name}", title=title, name=service.name), value)
    for job in replay.jobs if replay else ():
        value = job_share(job, seed=replay.seed if replay else 0)
        place.add(f"replay.{job.name}.share_in_time", message("share of runs that meet the deadline, {name}", name=job.name), value)


def service_shares(one: ReplayedService, *, seed: int) -> Iterator[tuple[str, str, Estimate]]:
    """Yield name, title and value of each share of a service's requests within its SLO that is known."""
    drawn = message(
        "simulated: {num_requests:,} requests on {num_simulated_replicas} replicas by {method}, seed {seed}",
        num_requests=one.num_requests,
        num_simulated_replicas=one.num_simulated_replicas,
        method=one.method,
        seed=seed,
    )
    if one.simulated_share is not None:
        ends = sorted((*(one.share_interval or ()), one.simulated_share))
        value = _share(one.simulated_share, low=ends[0], high=ends[-1], source=drawn)
        yield "simulated_share", message("simulated share of requests within the SLO"), value
    if one.analytic_share is not None:
        source = message("P(wait <= slack of the SLO) of M/G/c (Allen-Cunneen)")
        yield "analytic_share", message("analytic share of requests within the SLO"), _share(one.analytic_share, source=source)
    if one.share_with_failures is not None:
        source = message("{drawn}; weighted over the failure states of the fleet", drawn=drawn)
        yield (
            "share_with_failures",
            message("share within the SLO with server failures"),
            _share(one.share_with_failures, source=source),
        )


def job_share(one: ReplayedJob, *, seed: int) -> Estimate:
    """Return the share of a job's runs that meet the deadline."""
    drawn = message(
        "simulated: {num_windows} windows while servers fail and are repaired, seed {seed}", num_windows=one.num_windows, seed=seed
    )
    return _share(one.share_in_time, source=drawn)


def _share(value: float, *, source: str, low: float | None = None, high: float | None = None) -> Estimate:
    return Estimate(
        value=value,
        low=value if low is None else low,
        high=value if high is None else high,
        unit="fraction",
        basis="modelled",
        source=source,
    )
