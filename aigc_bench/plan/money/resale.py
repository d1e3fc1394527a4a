"""What a purchase is worth at the end of the servers' life: servers by resale, racks, UPS and cooling by the years left to them.

    worth     (purchase - plant) x residual share + plant x (1 - life / life of the plant)
    share     worth / purchase

Plant is written off in equal parts over its own life: the next servers use what is left of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from aigc_bench.core.derivation import Derivation, Places, record
from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.plan.records.demand import Finance
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.site.room import Room
from aigc_bench.plan.stats.estimates import combined, total

PLANT = ("rack", "power", "cooling")
"""Categories of a bill's lines that outlive the servers."""
SHARE = message("(purchase - plant) x residual share + plant x its unused life, over the purchase")


def residual_of(capex: Estimate, room: Room | None, finance: Finance) -> Estimate:
    """Return the share of a purchase that is left at the end of the servers' life; that of the servers without plant."""
    lines = [line.usd for line in room.bill.lines if line.category in PLANT and line.usd is not None] if room else []
    left, plant = finance.plant_left_share, total([usd for usd in lines if usd is not None], unit="usd")
    if left is None or plant.value <= 0 or capex.value <= 0:
        return finance.residual_share
    # Central amounts weigh the two shares: their prices rise and fall together.
    part = min(1.0, plant.value / capex.value)
    ends = {end: getattr(finance.residual_share, end) * (1 - part) + getattr(left, end) * part for end in ("low", "value", "high")}
    inputs = (capex, finance.residual_share, plant, left)
    found = Estimate(**ends, unit="fraction", basis=combined(inputs), source=SHARE)
    return record(found, Derivation("(({0} - {2}) * {1} + {2} * {3}) / {0}", inputs, SHARE))


def residual_of_option(option: Option, finance: Finance) -> Estimate:
    """Return the share of an option's purchase that is left at the end of the servers' life; of a mixed one over its parts."""
    parts = [part for part in option.parts if part.capex_usd.value > 0]
    if not parts:
        return residual_of(option.capex_usd, option.room, finance)
    return _over([(part.capex_usd, residual_of(part.capex_usd, part.room, finance)) for part in parts])


def _over(parts: Sequence[tuple[Estimate, Estimate]]) -> Estimate:
    """Return the mean of some shares by their purchases."""
    whole = sum(capex.value for capex, _ in parts)
    ends = {end: sum(capex.value * getattr(share, end) for capex, share in parts) / whole for end in ("low", "value", "high")}
    of = Places()
    words = " + ".join(f"{of(capex)} * {of(share)}" for capex, share in parts)
    words = f"({words}) / {of.plus(capex for capex, _ in parts)}"
    found = Estimate(**ends, unit="fraction", basis=combined([share for _, share in parts]), source=SHARE)
    return record(found, Derivation(words, tuple(of.inputs), SHARE))
