"""The data sheet of a host: the catalogue's row, or without one the typical figures of the catalogue's servers of its form.

Accelerators come as boards of a server (SXM, OAM), as cards of a server (PCIe), or as cards for desks, in towers of one, two or
four. A host without a row is assumed to be like the catalogue's servers with 4 to 8 accelerators of the same form, or its towers
with as many cards: their median height, weight and NICs. Besides its accelerators it costs as much as theirs (median, P10 and
P90 of price - accelerators x their price). So every purchase has the same bill lines.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.plan.stats.estimates import GENERAL, assumed, scaled

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue
    from aigc_bench.catalog.records import AcceleratorSpec, ServerSpec

BOARDS = ("SXM", "OAM", "APU", "NVL", "Superchip")
"""Prefixes of the form factors that are sold only on a server's board."""
LIKE_COUNTS = range(4, 9)
FULL = 8
IN_A_TOWER = (1, 2, 4)
"""Workstation and consumer cards cool themselves and take two slots or more: a tower holds up to four, a server none."""
TOWER_U = 4
"""Rack units of a tower that lies on a shelf, where no row says (assumed)."""
# Physical cores of a host: low, value, high.
CORES_OF_A_SERVER = (64.0, 96.0, 192.0)
CORES_OF_A_WORKSTATION = (8.0, 16.0, 24.0)


def is_board(spec: AcceleratorSpec) -> bool:
    """Return whether it is sold on a server's board rather than as a card."""
    return (spec.form_factor or "").startswith(BOARDS)


def for_desks(spec: AcceleratorSpec) -> bool:
    """Return whether the card is made for workstations and desktops."""
    return any(word in (spec.form_factor or "") for word in ("WS", "consumer"))


def usual_counts(spec: AcceleratorSpec) -> tuple[int, ...]:
    """Return the accelerators in hosts that have no row in the catalogue, the smallest host first."""
    return IN_A_TOWER if for_desks(spec) else (FULL,)


def sheet_of(server: ServerSpec, catalogue: Catalogue) -> ServerSpec:
    """Return a row of the catalogue; a missing height is that of similar servers, so that it has a place in a rack."""
    # A server without accelerators has no others of its form to take the height from.
    if server.rack_units is not None or server.gpu_id is None:
        return server
    units = median_units(catalogue.accelerators[server.gpu_id], server.gpu_count, catalogue) if server.needs_rack else TOWER_U
    return server.model_copy(update={"rack_units": units})


def assumed_sheet(
    spec: AcceleratorSpec, *, name: str, count: int, price_usd: Estimate, peak_w: float, catalogue: Catalogue
) -> ServerSpec:
    """Return the sheet of ``count`` accelerators in a host of their own, at that price and peak draw."""
    from aigc_bench.catalog.records import Price, ServerSpec

    like = servers_like(spec, catalogue, count=count)
    source = message(
        "assumed: median of {num_like} servers of the catalogue with {more} like it",
        num_like=len(like),
        more="boards" if is_board(spec) else "cards",
    )
    is_tower = for_desks(spec)
    as_of = spec.price.as_of if spec.price else spec.as_of
    return ServerSpec(
        id=f"{count}x_{spec.id}",
        name=name,
        gpu_id=spec.id,
        gpu_count=count,
        rack_units=median_units(spec, count, catalogue),
        max_power_w=peak_w,
        weight_kg=_median(like, lambda row: row.weight_kg),
        # Towers have no network of their own between them.
        num_compute_nics=None if is_tower else _median_count(like, lambda row: row.num_compute_nics),
        compute_nic_bytes_per_s=None if is_tower else _median_low(like, lambda row: row.compute_nic_bytes_per_s),
        num_frontend_nics=_median_count(like, lambda row: row.num_frontend_nics),
        frontend_nic_bytes_per_s=_median_low(like, lambda row: row.frontend_nic_bytes_per_s) if is_tower else None,
        onboard_nic_enough=True if is_tower else None,
        # A tower is sold with a disk, a server with empty bays.
        local_storage="2 TB NVMe" if is_tower else None,
        needs_rack=not is_tower,
        cooling="direct_liquid" if "liquid" in (spec.form_factor or "") else "air",
        price=Price(
            low=price_usd.low,
            mid=price_usd.value,
            high=price_usd.high,
            as_of=as_of,
            source=price_usd.source or source,
            basis="assumed",
        ),
        source=source,
        as_of=as_of,
        confidence="low",
        basis="assumed",
    )


def median_units(spec: AcceleratorSpec, count: int, catalogue: Catalogue) -> int:
    """Return the rack units of a host of ``count`` such accelerators."""
    known = _known(servers_like(spec, catalogue, count=count), lambda row: row.rack_units)
    return round(statistics.median(known)) if known else TOWER_U


def servers_like(spec: AcceleratorSpec, catalogue: Catalogue, *, count: int = FULL) -> list[ServerSpec]:
    """Return the catalogue's servers with 4 to 8 accelerators of the same form, or its towers with ``count`` cards for desks."""
    rows = [(row, catalogue.accelerators[row.gpu_id]) for row in catalogue.servers.values() if row.gpu_id]
    if for_desks(spec):
        towers = [row for row, card in rows if not row.needs_rack and for_desks(card)]
        return [row for row in towers if row.gpu_count == min(IN_A_TOWER, key=lambda known: (abs(known - count), known))]
    racked = [(row, card) for row, card in rows if row.needs_rack and row.gpu_count in LIKE_COUNTS]
    return [row for row, card in racked if is_board(card) == is_board(spec)]


def host_usd(spec: AcceleratorSpec, count: int, catalogue: Catalogue) -> Estimate:
    """Return the cost of a host without its accelerators: processors, memory, board and switches, NICs, chassis, margin.

    For boards in proportion to eight, at least two of them; a host of cards costs the same with few or many, a tower as those of
    its size do.
    """
    # Price of the server less its accelerators at their own price; negative where a bundle is cheaper than its parts.
    rests = sorted(
        server.price.mid - server.gpu_count * card.price.mid
        for server in servers_like(spec, catalogue, count=count)
        if server.price and server.gpu_id and (card := catalogue.accelerators[server.gpu_id]).price
    )
    # At least a dollar, because intervals of prices need logarithms.
    low, middle, high = (max(1.0, rests[round(share * (len(rests) - 1))]) for share in (0.1, 0.5, 0.9))
    kind = "boards" if is_board(spec) else "cards"
    source = message(
        "median, 10th and 90th percentile of the price of {num_rests} servers with {kind} without their accelerators",
        num_rests=len(rests),
        kind=kind,
    )
    whole = assumed(middle, low=low, high=high, unit="usd", source=source)
    # Chassis and processors do not shrink below those of two boards.
    return scaled(whole, min(1.0, max(2, count) / FULL)) if is_board(spec) else whole


def cores_of(server: ServerSpec | None, *, count: int) -> Estimate:
    """Return physical CPU cores of an accelerator's share of a server: by its row, else of usual hosts."""
    if server is not None and server.cpu_cores:
        each, source = (
            server.cpu_cores / count,
            message(
                "{cpu} of {name} / {count} accelerators; {source}, {as_of}",
                cpu=server.cpu,
                name=server.name,
                count=count,
                source=server.source,
                as_of=server.as_of,
            ),
        )
        return Estimate(value=each, low=each, high=each, unit="cores", basis=server.basis, source=source)
    is_server = count in LIKE_COUNTS or (server is not None and server.needs_rack)
    low, value, high = CORES_OF_A_SERVER if is_server else CORES_OF_A_WORKSTATION
    source = message("{value:g} cores of a usual host / {count} accelerators; {general}", value=value, count=count, general=GENERAL)
    return assumed(value / count, low=low / count, high=high / count, unit="cores", source=source)


def _known(servers: Sequence[ServerSpec], field: Callable[[ServerSpec], float | None]) -> list[float]:
    return [value for server in servers if (value := field(server)) is not None]


def _median(servers: Sequence[ServerSpec], field: Callable[[ServerSpec], float | None]) -> float:
    return statistics.median(_known(servers, field))


def _median_low(servers: Sequence[ServerSpec], field: Callable[[ServerSpec], float | None]) -> float:
    """Return the lower median, which is one of the values: a rate that switches have."""
    return statistics.median_low(_known(servers, field))


def _median_count(servers: Sequence[ServerSpec], field: Callable[[ServerSpec], float | None]) -> int:
    return round(_median_low(servers, field))
