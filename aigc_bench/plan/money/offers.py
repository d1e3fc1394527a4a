"""Every procurement of an accelerator: owned, colocated, or rented, each with a dated price or the reason it has none."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from aigc_bench.catalog.records import AcceleratorSpec, ServerSpec
from aigc_bench.core.messages import message
from aigc_bench.plan.hardware.datasheet import host_usd, usual_counts
from aigc_bench.plan.money.offer import Offer
from aigc_bench.plan.money.rents import rents
from aigc_bench.plan.stats.estimates import named, plus, scaled
from aigc_bench.plan.stats.price_aging import aged, hardware_price

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue


def offers(accelerator_id: str, *, catalogue: Catalogue, on: date, region: str | None = None) -> tuple[Offer, ...]:
    """Return all procurements of that accelerator on that day, purchases first; rents of ``region`` only where one is named.

    Raises ``UnknownNameError`` for an accelerator that is not in the catalogue.
    """
    spec = catalogue.accelerator(accelerator_id)
    bought = purchases(spec, catalogue=catalogue, on=on)
    return (*bought, *colocated(bought, catalogue=catalogue, on=on), *rents(spec, catalogue=catalogue, on=on, region=region))


def purchases(spec: AcceleratorSpec, *, catalogue: Catalogue, on: date) -> tuple[Offer, ...]:
    """Return servers that hold the accelerator; where there is no such row, a host of cards at the card's price."""
    servers = catalogue.servers_with(spec.id)
    if not servers:
        return tuple(_cards_in_a_host(spec, count, catalogue=catalogue, on=on) for count in usual_counts(spec))
    return tuple(_purchase(server, catalogue=catalogue, on=on) for server in servers)


def _purchase(server: ServerSpec, *, catalogue: Catalogue, on: date) -> Offer:
    price = hardware_price(server, catalogue=catalogue, on=on)
    assert server.gpu_id is not None, "only servers with the accelerator were selected"
    return Offer(
        kind="owned",
        term="purchase",
        name=server.name,
        accelerator=server.gpu_id,
        num_accelerators=server.gpu_count,
        server=server.id,
        provider=server.vendor,
        price=price,
        unit="usd",
        why_no_price=None if price else message("the catalogue has no price of {name}", name=server.name),
        as_of=server.price.as_of if server.price else None,
    )


def _cards_in_a_host(spec: AcceleratorSpec, count: int, *, catalogue: Catalogue, on: date) -> Offer:
    card = hardware_price(spec, catalogue=catalogue, on=on)
    price = None
    if card is not None:
        cards, host = scaled(card, count), host_usd(spec, count, catalogue)
        price = named(
            plus(cards, host),
            message("{count} at their own price + a host like those of its form; {source}", count=count, source=card.source),
        )
    return Offer(
        kind="owned",
        term="purchase",
        name=message("{count} x {name} in a host", count=count, name=spec.name),
        accelerator=spec.id,
        num_accelerators=count,
        price=price,
        unit="usd",
        why_no_price=None
        if price
        else message("the catalogue has neither a server with {name} nor a price of the card", name=spec.name),
        as_of=spec.price.as_of if spec.price else None,
        note=message("no server row: the host is assumed to be like those of its form"),
    )


def colocated(bought: Sequence[Offer], *, catalogue: Catalogue, on: date) -> tuple[Offer, ...]:
    """Return the same servers in a provider's room, at a price per kW and month that covers space and cooling plant."""
    row = catalogue.constants["colocation_usd_per_kw_month"]
    space = aged(row.estimate(), as_of=row.as_of, on=on, drift=catalogue.constant("hardware_price_drift"))
    return tuple(
        offer.model_copy(
            update={"kind": "colocated", "space_usd_per_kw_month": space, "note": message("electricity is billed on top")}
        )
        for offer in bought
    )
