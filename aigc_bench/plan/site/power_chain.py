"""Power from the accelerator to the utility: what is provisioned (the peak) and what is billed (the mean).

    node     = (accelerators x W + rest of the node) / PSU efficiency          (a wall figure already contains the PSU)
    IT peak  = sum over nodes and switches of their highest draw
    UPS load = IT peak / distribution efficiency                    UPS input = UPS load / UPS efficiency
    installed UPS = UPS load x (n + 1) / n, 4/3, 3/2 or 2           utility = IT peak x PUE
    billed kWh = IT mean x hours x PUE

UPS and distribution losses are part of the PUE: a chain multiplies with either, never both.
"""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from aigc_bench.core.records import Estimate, Record
from aigc_bench.core.units import SECONDS_PER_HOUR, SECONDS_PER_YEAR
from aigc_bench.plan.interval import named, over, plus, scaled, times

Redundancy = Literal["N", "N+1", "4N/3", "3N/2", "2N"]
HOURS_PER_YEAR = SECONDS_PER_YEAR / SECONDS_PER_HOUR
SHARES: dict[Redundancy, float] = {"N": 1.0, "4N/3": 4 / 3, "3N/2": 1.5, "2N": 2.0}
"""Installed over needed capacity; N+1 depends on the number of modules."""


class PowerChain(Record):
    """The IT draw followed up to the utility, and what has to be installed for it. Watts; kWh a year."""

    it_peak_w: Estimate
    it_mean_w: Estimate
    ups_load_w: Estimate
    ups_input_w: Estimate
    ups_modules: int
    ups_installed_w: Estimate
    utility_peak_w: Estimate
    billed_kwh_per_year: Estimate
    it_kwh_per_year: Estimate
    redundancy: Redundancy


class Feeds(Record):
    """Feeds of one rack. ``capacity_w`` is the continuous load of one; with ``paths`` 2 either path carries the whole rack."""

    per_path: int
    paths: int = Field(ge=1, le=2)
    capacity_w: float

    @property
    def total(self) -> int:
        """All feeds, one PDU each."""
        return self.per_path * self.paths


def node_power_w(accelerator_w: Estimate, *, count: int, rest_w: Estimate, psu_efficiency: Estimate) -> Estimate:
    """Wall power of a node from what its accelerators and the rest draw behind the power supplies."""
    inside = plus(scaled(accelerator_w, count, unit="W"), rest_w.model_copy(update={"unit": "W"}))
    return named(over(inside, psu_efficiency, unit="W"), "(accelerators x W + rest of the node) / PSU efficiency")


def installed_share(redundancy: Redundancy, *, modules: int) -> float:
    """Installed over needed capacity; of N+1 with ``modules`` needed ones (n + 1) / n."""
    assert modules >= 1, "a system has at least one module"
    return (modules + 1) / modules if redundancy == "N+1" else SHARES[redundancy]


def power_chain(
    *,
    it_peak_w: Estimate,
    it_mean_w: Estimate,
    pue: Estimate,
    ups_efficiency: Estimate,
    distribution_efficiency: Estimate,
    redundancy: Redundancy = "N+1",
    module_w: float = 250_000.0,
) -> PowerChain:
    """Follows the IT draw up to the utility. ``module_w`` is the size of one UPS module."""
    load = named(over(it_peak_w, distribution_efficiency, unit="W"), "IT peak / distribution efficiency")
    modules = max(1, math.ceil(load.value / module_w - 1e-9)) if load.value > 0 else 0
    share = installed_share(redundancy, modules=modules) if modules else 0.0
    energy = scaled(it_mean_w, HOURS_PER_YEAR / 1000, unit="kWh/year")
    return PowerChain(
        it_peak_w=it_peak_w,
        it_mean_w=it_mean_w,
        ups_load_w=load,
        ups_input_w=named(over(load, ups_efficiency, unit="W"), "UPS load / UPS efficiency"),
        ups_modules=modules,
        ups_installed_w=named(scaled(load, share), f"UPS load x {share:.3g} ({redundancy})"),
        utility_peak_w=named(times(it_peak_w, pue, unit="W"), "IT peak x PUE"),
        billed_kwh_per_year=named(times(energy, pue, unit="kWh/year"), "IT mean x hours x PUE"),
        it_kwh_per_year=named(energy, "IT mean x hours"),
        redundancy=redundancy,
    )


def feeds_for(rack_peak_w: float, *, feed_w: float, is_dual: bool = True) -> Feeds:
    """Feeds of ``feed_w`` continuous watts that carry a rack, on two independent paths where ``is_dual``."""
    assert rack_peak_w >= 0 and feed_w > 0, "a feed carries something"
    return Feeds(per_path=max(1, math.ceil(rack_peak_w / feed_w - 1e-9)), paths=2 if is_dual else 1, capacity_w=feed_w)


def feed_w(*, volts: float, amperes: float, continuous_share: float) -> float:
    """Continuous watts of a three-phase feed at unity power factor: sqrt(3) x V x A x the share that may run all day."""
    return math.sqrt(3) * volts * amperes * continuous_share
