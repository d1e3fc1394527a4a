"""List hosts to buy or rent: every server of the catalogue, and every accelerator without one in a host of its own.

The unit that a plan replicates is one accelerator with its share of the server; ``machines_per_server`` is their number per server.

A plan must not buy parts that are not sold on its day::

    announced   not available before its year of release, nor while the catalogue lists it as announced only
    never       announced once and not sold, or rented by its maker's cloud alone
    elsewhere   made for one market, or not exported to the site's country (``EXPORT``); never legal advice
    ended       no longer made, and no price as new of the part or of a server with it within the last ``PRICE_HOLDS_YEARS``:
                release and second-hand prices do not count
    old         released more than ``SOLD_FOR_YEARS`` ago, counted from the middle of its year, and no such price

Each refuses purchases only: clouds keep renting out old parts. A machine that the user has measured counts as available.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING

from aigc_bench.core.identity import Same
from aigc_bench.core.messages import message
from aigc_bench.core.records import Basis, Estimate
from aigc_bench.plan.hardware.datasheet import assumed_sheet, cores_of, sheet_of, usual_counts
from aigc_bench.plan.hardware.server_match import ServerMatch, built_up, match_of
from aigc_bench.plan.records.demand import Constraints, Demand
from aigc_bench.plan.records.machine import Machine
from aigc_bench.plan.stats.distributions import age_years
from aigc_bench.plan.stats.estimates import estimate

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue
    from aigc_bench.catalog.records import AcceleratorSpec, Price, ServerSpec
    from aigc_bench.catalog.sale import Sale


SOLD_FOR_YEARS = 4.0
"""Accelerators are followed by the next generation after about two years and sold for about two more (assumed)."""
# As long as a quote is taken as a sign that the part is still sold as new (assumed).
PRICE_HOLDS_YEARS = 1.0


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a purchase goes: whether the site lies in mainland China, and whether parts under export control are left out."""

    is_in_china: bool = False
    excludes_controlled: bool = False


ANYWHERE = Place()


def place_of(demand: Demand, *, catalogue: Catalogue) -> Place:
    """Return where a demand's purchases go."""
    controlled = demand.constraints.exclude_export_controlled
    return Place(is_in_china=catalogue.is_in_china(demand.site.region), excludes_controlled=controlled)


def is_announced(spec: AcceleratorSpec, *, on: date) -> bool:
    """Return whether it is not yet available on that day."""
    # The catalogue marks such rows in their id; a year of release in the future says the same.
    return "announced" in spec.id or (spec.release_year or 0) > on.year


def why_not_sold(
    spec: AcceleratorSpec, *, catalogue: Catalogue, on: date, owned: Sequence[str] = (), place: Place = ANYWHERE
) -> str | None:
    """Return why it cannot be bought on that day, ``None`` where it can; ``owned`` are accelerators that the user has measured."""
    if spec.id in owned:
        return None
    if is_announced(spec, on=on):
        return message("for sale: {name} is only announced and not available on {on}", name=spec.name, on=on.isoformat())
    sale = catalogue.sales.get(spec.id)
    reason = why_not_there(spec, catalogue=catalogue, place=place)
    if reason is not None:
        return reason
    if sale is not None and _has_ended(sale, on=on) and not _is_quoted(spec, catalogue, on):
        return message(
            "for sale: {name} is no longer made (as of {as_of}), and the catalogue has no price for it as new within a year; "
            "rent it, or add your quote as a row of your own",
            name=spec.name,
            as_of=sale.as_of,
        )
    if spec.release_year is None or age_years(str(spec.release_year), on=on) <= SOLD_FOR_YEARS or _is_quoted(spec, catalogue, on):
        return None
    return message(
        "for sale: {name} was released in {release_year}, more than {sold_for_years:g} years before "
        "{on}, and the catalogue has no price for it as new within a year; rent it, or add your quote as "
        "a row of your own",
        name=spec.name,
        release_year=spec.release_year,
        sold_for_years=SOLD_FOR_YEARS,
        on=on.isoformat(),
    )


def _has_ended(sale: Sale, *, on: date) -> bool:
    # Dates of different precision compare as texts: 2024-12 is before 2024-12-05.
    return sale.status == "ended" and (sale.last_sale is None or sale.last_sale < on.isoformat())


def why_not_there(spec: AcceleratorSpec, *, catalogue: Catalogue, place: Place) -> str | None:
    """Return why a part is not sold at all, or not at that place: whoever quotes it cannot deliver it."""
    sale = catalogue.sales.get(spec.id)
    if sale is None:
        return None
    if sale.status == "never":
        return message("for sale: {name} was announced and never sold in volume", name=spec.name)
    if sale.status == "cloud_only":
        return message("for sale: {name} is rented by its maker's cloud and not sold", name=spec.name)
    if sale.sold_only_in == "china" and not place.is_in_china:
        return message("for sale: {name} is made for China and sold there only; the site is elsewhere", name=spec.name)
    if not place.is_in_china:
        return None
    if sale.china in ("denied", "not_sold"):
        return message(
            "for sale: {name} is not sold in China ({note}; {as_of}; ask your counsel)",
            name=spec.name,
            note=sale.licence_note or sale.source,
            as_of=sale.as_of,
        )
    if sale.china is not None and place.excludes_controlled:
        return message(
            "constraints.exclude_export_controlled: {name} ({note}; {as_of})",
            name=spec.name,
            note=sale.licence_note or sale.source,
            as_of=sale.as_of,
        )
    return None


_OLDEST_OF_CUDA_13 = 7.5
"""Lowest compute capability of CUDA 13's toolkit, with which PyTorch's current wheels are built (pytorch/test-infra PR 7046)."""

_OWN_STACKS = frozenset(("Cerebras", "d-Matrix", "FuriosaAI", "Groq", "Qualcomm", "Rebellions", "SambaNova", "Tenstorrent"))
"""Vendors without a backend in PyTorch's or an engine's own releases: their tools compile models (general knowledge, 2026)."""


def why_no_framework(spec: AcceleratorSpec, *, named: Sequence[str] = ()) -> str | None:
    """Return why current frameworks do not run on it, ``None`` where they do or where the demand names the part itself."""
    if spec.vendor in _OWN_STACKS and spec.id not in named:
        return message(
            "software: PyTorch and the serving engines that are planned do not run on {name}, whose vendor has a stack of its own; "
            "name it in constraints.accelerators to plan with it all the same",
            name=spec.name,
        )
    try:
        capability = float(spec.compute_capability or "")
    except ValueError:
        # Other vendors name architectures (gfx942) instead.
        return None
    if capability >= _OLDEST_OF_CUDA_13 or spec.id in named:
        return None
    return message(
        "software: current wheels of PyTorch and of engines on it (CUDA 13) have no kernels for {name}, compute capability "
        "{capability:g}; name it in constraints.accelerators to plan with wheels of CUDA 12",
        name=spec.name,
        capability=capability,
    )


def cautions_of(spec: AcceleratorSpec, *, catalogue: Catalogue, place: Place = ANYWHERE) -> tuple[str, ...]:
    """Return what a buyer or renter has to know before an order: the end of software support, and licences."""
    sale = catalogue.sales.get(spec.id)
    if sale is None:
        return ()
    software = (message("software: {note} ({as_of})", note=sale.software_note, as_of=sale.as_of),) if sale.software_note else ()
    needs_licence = place.is_in_china and sale.china in ("licence", "check")
    licence = message("export: {note} ({as_of}; ask your counsel)", note=sale.licence_note or sale.source, as_of=sale.as_of)
    return (*software, licence) if needs_licence else software


def _is_quoted(spec: AcceleratorSpec, catalogue: Catalogue, on: date) -> bool:
    """Return whether the catalogue has a price for it as new, alone or in a server, within the last year."""
    prices = (spec.price, *(server.price for server in catalogue.servers_with(spec.id)))
    return any(_is_current(price, on) for price in prices if price is not None)


def _is_current(price: Price, on: date) -> bool:
    return price.kind == "new" and age_years(price.as_of, on=on) <= PRICE_HOLDS_YEARS


# 100 Gbit/s.
USUAL_NIC_BYTES_PER_S = 12.5e9
_TERABYTES = re.compile(r"([\d.]+) TB")


@dataclass(frozen=True, kw_only=True)
class Host:
    """A server with accelerators, or accelerators in a host without a row (``server`` is ``None``).

    ``sheet`` is the server's row, or the assumed one where there is none (``hardware.datasheet``).
    """

    spec: AcceleratorSpec
    server: ServerSpec | None
    sheet: ServerSpec
    machine: Machine

    @property
    def is_for_sale(self) -> bool:
        """Return whether it has a price: a server with one, or accelerators with one of their own."""
        return self.server is not None or (self.spec.price is not None and "cloud only" not in (self.spec.form_factor or ""))

    @property
    def max_devices(self) -> int:
        """Return the accelerators that can work on one replica: those of one server."""
        return self.machine.devices_per_server


def hosts(catalogue: Catalogue) -> tuple[Host, ...]:
    """Return all hosts, servers first, in the catalogue's order; without announced parts and rows without price or nameplate."""
    return _hosts(Same(catalogue))


# The plan of owned machines, of a budget or of quotes searches the same hosts several times.
@lru_cache(maxsize=2)
def _hosts(of: Same[Catalogue]) -> tuple[Host, ...]:
    catalogue = of.held
    found = [host for server in catalogue.servers.values() if (host := _server_host(server, catalogue)) is not None]
    # An accelerator with a server row is sold in it, so no host of loose cards is made up for it.
    held = {host.spec.id for host in found}
    rented = {price.gpu_id for price in catalogue.cloud_prices.values() if not price.is_historic}
    others = [spec for spec in catalogue.accelerators.values() if spec.id not in held and (spec.price or spec.id in rented)]
    sold = [spec for spec in others if spec.tdp_w and _is_sold(spec)]
    return (*found, *(host_of_cards(spec, catalogue, count=count) for spec in sold for count in _counts(spec, catalogue)))


def _counts(spec: AcceleratorSpec, catalogue: Catalogue) -> tuple[int, ...]:
    """Return the sizes of hosts to plan with; of parts that can only be rented, the largest alone."""
    sale, counts = catalogue.sales.get(spec.id), usual_counts(spec)
    is_sold = spec.price is not None and (sale is None or sale.status != "ended")
    return counts if is_sold else counts[-1:]


def _is_sold(spec: AcceleratorSpec) -> bool:
    """Return whether the part is available: released, and not a desktop's own."""
    # Jetsons and desktop SoCs are whole computers that no one puts into a server.
    return (
        not spec.is_on_chip
        and "announced" not in spec.id
        and not any(word in (spec.form_factor or "") for word in ("SoC", "module (", "Jetson"))
    )


def allowed(spec: AcceleratorSpec, limits: Constraints) -> str | None:
    """Return why the constraints forbid an accelerator, or ``None``."""
    if limits.vendors and spec.vendor not in limits.vendors:
        return message(
            "constraints.vendors allows {vendors} only, this is {vendor}",
            vendors=", ".join(limits.vendors),
            vendor=spec.vendor or message("of an unknown vendor"),
        )
    if limits.accelerators and spec.id not in limits.accelerators:
        return message("constraints.accelerators allows {accelerators} only", accelerators=", ".join(limits.accelerators))
    return None


def _server_host(server: ServerSpec, catalogue: Catalogue) -> Host | None:
    # Without nameplate or price neither racks nor money could be computed.
    if server.gpu_id is None or server.max_power_w is None or server.price is None or "announced" in server.id:
        return None
    spec = catalogue.accelerators[server.gpu_id]
    match = match_of(
        server,
        spec,
        machines_per_server=_per_server(server.gpu_count, f"{server.name}; {server.source}, {server.as_of}"),
        catalogue=catalogue,
    )
    return Host(spec=spec, server=server, sheet=sheet_of(server, catalogue), machine=_machine(match, spec, server, catalogue))


def host_of_cards(spec: AcceleratorSpec, catalogue: Catalogue, *, count: int | None = None) -> Host:
    """Return a host of that number of cards (default: the most of their form), with the parts that the catalogue assumes."""
    count = usual_counts(spec)[-1] if count is None else count
    match = built_up(
        count,
        spec,
        name=spec.name,
        machines_per_server=_per_server(count, message("a host with {count} cards", count=count), basis="assumed"),
        catalogue=catalogue,
    )
    sheet = assumed_sheet(
        spec, name=match.name, count=count, price_usd=match.price_usd, peak_w=match.watts.peak.value, catalogue=catalogue
    )
    machine = _machine(match, spec, None, catalogue, network_bits_per_s=_nic_bits(sheet, count))
    place = {
        "weight_kg": sheet.weight_kg,
        "cooling": sheet.cooling,
        "needs_rack": sheet.needs_rack,
        "fabric_bits_per_s": _fabric_bits(sheet),
        "disk_bytes": _disk(sheet, count),
    }
    return Host(spec=spec, server=None, sheet=sheet, machine=machine.model_copy(update=place))


def _per_server(count: int, name: str, *, basis: Basis = "datasheet") -> Estimate:
    return estimate(count, unit="machines/server", basis=basis, source=message("accelerators in {name}", name=name))


def _machine(
    match: ServerMatch,
    spec: AcceleratorSpec,
    server: ServerSpec | None,
    catalogue: Catalogue,
    *,
    network_bits_per_s: Estimate | None = None,
) -> Machine:
    """Return one accelerator with its share of the server."""
    count = match.num_accelerators
    return Machine(
        name=spec.name,
        server=match.id,
        accelerator=spec.id,
        machines_per_server=match.machines_per_server,
        capabilities=(),
        host_memory_bytes=_share(server.ram_bytes if server else None, count, unit="B", server=server),
        device_memory_bytes=catalogue.usable_memory(spec),
        network_bits_per_s=network_bits_per_s or _nic_bits(server, count),
        fabric_bits_per_s=_fabric_bits(server) if server else None,
        disk_bytes=_disk(server, count),
        devices_per_server=count,
        peak_power_w=match.watts.peak,
        full_power_w=match.watts.full,
        idle_power_w=match.watts.idle,
        design_heat_w=match.watts.heat,
        host_cores=cores_of(server, count=count),
        rack_units=match.rack_units,
        weight_kg=server.weight_kg if server else None,
        cooling=server.cooling if server else "air",
        needs_rack=server.needs_rack if server else True,
        inlet_limit_c=_inlet_limit_c(match.id, catalogue),
        price_usd=match.price_usd,
        embodied_kg=match.embodied_kg,
        notes=match.notes,
    )


def _inlet_limit_c(server: str, catalogue: Catalogue) -> Estimate | None:
    """Return the highest inlet air temperature of a server: a DGX by its guide, others by ASHRAE class A2."""
    # NVIDIA's guide allows a DGX at most 30 degC, ASHRAE's class A2 35.
    row = catalogue.cooling["dgx_inlet" if server.startswith("dgx_") else "ashrae_a2"]
    return None if row.high is None else estimate(row.high, unit="degC", basis=row.basis, source=f"{row.source}, {row.as_of}")


def _share(number: float | None, count: int, *, unit: str, server: ServerSpec | None) -> Estimate | None:
    if number is None or server is None:
        return None
    return estimate(
        number / count,
        unit=unit,
        basis=server.basis,
        source=message("{source}, {as_of}; / {count} accelerators", source=server.source, as_of=server.as_of, count=count),
    )


def _nic_bits(server: ServerSpec | None, count: int) -> Estimate | None:
    """Return front-end bits/s of an accelerator's share; where the row has none, one port of 100 Gbit/s per server."""
    # Compute NICs carry collectives, which are inside the predicted step; requests come in at the front end.
    ports = server.num_frontend_nics if server and server.num_frontend_nics else 1
    rate = (server.frontend_nic_bytes_per_s if server else None) or USUAL_NIC_BYTES_PER_S
    return estimate(
        8 * ports * rate / count,
        unit="bit/s",
        basis="assumed",
        source=message(
            "{ports} front-end port{more} of {rate:g} Gbit/s in a server / {count} accelerators",
            ports=ports,
            more="s" if ports > 1 else "",
            rate=rate * 8 / 1e9,
            count=count,
        ),
    )


def _fabric_bits(server: ServerSpec) -> Estimate | None:
    """Return bits/s of an accelerator's share of the compute NICs; ``None`` for a server without them."""
    nics, rate = server.num_compute_nics, server.compute_nic_bytes_per_s
    if not nics or not rate:
        return None
    source = message(
        "{nics} compute NICs of {rate:g} Gbit/s / {count} accelerators; {source}, {as_of}",
        nics=nics,
        rate=8 * rate / 1e9,
        count=server.gpu_count,
        source=server.source,
        as_of=server.as_of,
    )
    return estimate(8 * nics * rate / server.gpu_count, unit="bit/s", basis=server.basis, source=source)


def _disk(server: ServerSpec | None, count: int) -> Estimate | None:
    """Return the local disks of the row; ``None`` where it names none: its bays are sold empty, and drives are ordered."""
    # The column is free text of data sheets, such as "30.7 TB (8x3.84) U.2": the first size is the total.
    found = _TERABYTES.search(server.local_storage or "") if server else None
    return _share(float(found[1]) * 1e12, count, unit="B", server=server) if found and server else None


def specs_of(found: Iterable[Host]) -> list[AcceleratorSpec]:
    """Return the accelerators of some hosts, each once."""
    return list({host.spec.id: host.spec for host in found}.values())
