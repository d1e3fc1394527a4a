"""Watts at the wall of a server from those of its accelerators: the model of ``validate``, for racks, cooling and the energy bill.

    wall = (accelerators x watts of one + host) / efficiency of the power supplies

The host is processors, chassis, fans and switches (``predict.closed_form.wall_power``, fitted to MLPerf's power logs, where it was
8.5 % off on accelerators left out).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aigc_bench.core.derivation import Derivation, record
from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.plan.hardware.datasheet import for_desks
from aigc_bench.plan.stats.estimates import estimate, named, over, plus, scaled
from aigc_bench.predict.closed_form.wall_power import host_w, psu_efficiency

if TYPE_CHECKING:
    from aigc_bench.catalog.records import AcceleratorSpec
    from aigc_bench.predict.fitting.effects import Floats

_HOST_ENDS = (0.75, 1.35)
"""Low and high of a host's watts over their middle: processors, fans and cards differ between servers of one form (assumed)."""
_PSU_ENDS = (-0.02, 0.02)
"""The same of the efficiency, as differences: Gold to Titanium, and load from a fifth to the whole (80 PLUS)."""
WALL_MODEL = message("processors, chassis, fans and switches: fit to the idle watts in MLPerf's power logs")
PSU_CURVE = message("80 PLUS Platinum to Titanium at the load of these accelerators")
LEAST_AT_WORK = message("low end of the power at work")
"""An idle server draws no more: else utilisation would save power."""


def _host_watts(spec: AcceleratorSpec, *, count: int, is_idle: bool = False) -> float:
    """Watts of a host: of a tower or a server, times what MLPerf's power logs made of the model (a calibrated constant)."""
    from aigc_bench.predict.fitting.calibration import shipped_calibration

    watts = host_w(spec, devices=count, is_idle=is_idle, is_tower=for_desks(spec))
    return shipped_calibration().constants["step"]["host"] * watts


def at_the_wall(board_w: Estimate, spec: AcceleratorSpec, *, count: int, is_idle: bool = False) -> Estimate:
    """Return watts at the wall of a server whose ``count`` accelerators draw ``board_w`` each, in Estimates."""
    middle = _host_watts(spec, count=count, is_idle=is_idle)
    low, high = (middle * share for share in _HOST_ENDS)
    host = estimate(middle, low=low, high=high, unit="W", basis="modelled", source=WALL_MODEL)
    record(host, Derivation(None, title=message("rest of the server")))
    share = psu_efficiency(spec, devices=count)
    worst, best = (share + difference for difference in _PSU_ENDS)
    efficiency = estimate(share, low=worst, high=best, unit="fraction", basis="modelled", source=PSU_CURVE)
    record(efficiency, Derivation(None, title=message("efficiency of the power supplies")))
    return named(
        over(plus(scaled(board_w, count), host), efficiency, unit="W"),
        message("({count} x {source} + host) / efficiency of its power supplies", count=count, source=board_w.source),
    )


def wall_share_w(board_w: Floats, spec: AcceleratorSpec, *, count: int) -> Floats:
    """Return watts at the wall of one of ``count`` accelerators that each draw ``board_w``, its share of the host included."""
    host = _host_watts(spec, count=count) / count
    watts: Floats = (board_w + host) / psu_efficiency(spec, devices=count)
    return watts
