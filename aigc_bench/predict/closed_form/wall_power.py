"""Wall power of a server from what its devices draw: host, fans, power supplies.

    wall = (devices x watts + host) / efficiency of the power supplies

The host is processors, memory, NICs, drives and the fans that the devices need: a share for the chassis, one for every device, more
for modules, whose boards carry switches and whose fans turn faster (rule 6 of the reference data: an idle DGX A100 draws 1.5 kW at
the wall and an HGX H200 2.4 kW, of which the devices' idle is 0.5 and 0.6 kW).
"""

from __future__ import annotations

from aigc_bench.catalog.records import AcceleratorSpec

PSU_EFFICIENCY = 0.94
"""80 PLUS Titanium at half load (94 to 96 %), Platinum at 20 to 50 % (90 to 94 %)."""
CHASSIS_W = 220.0
"""Watts of a server without its devices, with two processors lightly loaded, memory, a NIC, drives, fans (assumed; 150 to 300)."""
CARD_W = 25.0
"""Watts of host and fans for each card (fans and PCIe switches; assumed)."""
MODULE_W = 150.0
"""Watts of host and fans for each module of a baseboard: NVSwitches, NICs of its own, high-pressure fans (HGX and DGX idle)."""
SOC_W = 3.0
"""Watts of a carrier board, its memory counted in the part's TDP already (assumed: losses and a drive)."""


def host_w(spec: AcceleratorSpec, *, devices: int, nodes: float | None = None) -> float:
    """Watts of the host of ``devices`` accelerators under load, of all servers together."""
    if is_whole_computer(spec):
        return SOC_W * devices
    per_server = 8 if _is_module(spec) else max(devices, 1)
    servers = nodes or max(1.0, devices / per_server)
    return servers * CHASSIS_W + devices * (MODULE_W if _is_module(spec) else CARD_W)


def is_whole_computer(spec: AcceleratorSpec) -> bool:
    """Whether the part's own watts are those of processors and memory too (Jetson, GB10)."""
    return spec.form_factor == "module" or "SoC" in (spec.form_factor or "")


def _is_module(spec: AcceleratorSpec) -> bool:
    return any(word in (spec.form_factor or "") for word in ("SXM", "OAM", "module"))
