"""Draw of a room's other equipment besides its servers: switches, optics and shared storage, peak and mean.

peak      sum of the bill's nameplates without the servers'
mean      peak x share (rules.beside_load): they are on by day and by night
"""

from __future__ import annotations

from aigc_bench.core.derivation import Derivation, record
from aigc_bench.core.records import Estimate
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.site.room import Room
from aigc_bench.plan.stats.estimates import estimate, known_as, named, times

NAMEPLATES = "nameplates of switches, optics and storage, as the bill has them"
MEAN = "highest draw of switches and storage x mean over highest"


def other_peak_w(room: Room) -> Estimate:
    """Return the peak draw of everything in the room except the servers, in W."""
    rest = room.it_peak_w - room.bill.peak_w("node")
    found = estimate(max(0.0, rest), unit="W", basis="modelled", source=NAMEPLATES)
    return record(found, Derivation(None, key=".peak_beside_servers_w", title="peak power of switches and storage"))


def other_mean_w(room: Room | None, rules: Rules) -> Estimate | None:
    """Return the mean draw of everything in the room except the servers, in W; ``None`` without a room."""
    if room is None:
        return None
    mean = named(times(other_peak_w(room), rules.beside_load, unit="W"), MEAN)
    return known_as(mean, ".mean_beside_servers_w", "mean power of switches and storage")
