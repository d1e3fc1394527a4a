"""Wall power of a server from what its devices draw: host, fans, power supplies.

    wall = (devices x watts + host) / efficiency of the power supplies

The host is processors, chassis, and for every card or module the fans and switches that it needs. The figures reproduce the idle
watts at the wall that MLPerf's power logs state (an A100 server of eight modules 1.48 kW, of four 0.64 kW, H100 1.9 to 2.1 kW, H200
2.4 kW, B200 2.4 to 2.9 kW, eight A100 or H100 cards 0.65 and 0.68 kW, a desktop 0.12 kW) plus what the processors add under load.
"""

from __future__ import annotations

from aigc_bench.catalog.records import AcceleratorSpec

CHASSIS_W = 60.0
"""Watts of a server's drives, management, a NIC and its own fans (assumed; 40 to 100)."""
PROCESSOR_W = 110.0
"""Watts of a server's processor with its memory that feeds devices: 50 idle and 60 more under load (Dell XR12: 60 to 90)."""
CARD_W = 25.0
"""Watts of fans and PCIe switches for each card (assumed)."""
FAN_SHARE = 0.13
"""Watts of fans and conversion on a baseboard over the TDP of its modules: what four A100 without switches leave (Dell XE8545)."""
SWITCH_W = 45.0
"""Watts of NVSwitches and of a network card for each of eight modules (idle servers of eight modules against those of four)."""
IDLE_PROCESSOR_W = 50.0
"""The same when nothing is computed."""
DESKTOP_W = 95.0
"""Watts of a desktop computer without its card under load (Ryzen 9 7950X: 119 W at the wall when idle, with the card)."""
IDLE_DESKTOP_W = 70.0
"""The same when nothing is computed (119 W less those of a card)."""
SOC_W = 3.0
"""Watts of a carrier board, its memory counted in the part's TDP already (Jetson AGX Orin: 6 to 10 W at the wall when idle)."""

MAXQ_SHARE = 0.65
"""Share of the TDP to which MLPerf's MaxQ submissions limit cards and modules: 0.55 to 0.85 by model (A100, H100 PCIe, H200)."""
MAXQ_SOC_SHARE = 0.4
"""The same of a Jetson AGX Orin: 20 to 25 W at the wall of a part of 60 W."""

_MODULES_PER_SERVER = 8
_SWITCHLESS_MODULES = 4
"""Boards of this many modules join them without switches."""
_CARDS_PER_PROCESSOR = 2
"""A server with more cards has two processors (assumed)."""


def host_w(
    spec: AcceleratorSpec, *, devices: int, nodes: float | None = None, is_idle: bool = False, is_tower: bool = False
) -> float:
    """Watts of the host of ``devices`` accelerators, of all servers together: under load, or where nothing is computed.

    Fans and switches run on: MLPerf's idle servers draw what is left without the processors' work. A tower has one processor, and
    up to two cards stand in a desktop computer.
    """
    processor_w, desktop_w = (IDLE_PROCESSOR_W, IDLE_DESKTOP_W) if is_idle else (PROCESSOR_W, DESKTOP_W)
    if is_whole_computer(spec):
        return SOC_W * devices
    if _is_module(spec):
        servers = nodes or max(1.0, devices / _MODULES_PER_SERVER)
        each = FAN_SHARE * (spec.tdp_w or 0.0) + (SWITCH_W if devices / servers > _SWITCHLESS_MODULES else 0.0)
        return servers * (CHASSIS_W + 2 * processor_w) + devices * each
    servers = nodes or max(1.0, devices / _MODULES_PER_SERVER)
    if (is_tower or _is_desktop(spec)) and devices <= _CARDS_PER_PROCESSOR:
        return servers * desktop_w
    processors = 1 if is_tower or devices / servers <= _CARDS_PER_PROCESSOR else 2
    return servers * (CHASSIS_W + processors * processor_w) + devices * CARD_W


def psu_efficiency(spec: AcceleratorSpec, *, devices: int) -> float:
    """Efficiency of the power supplies at the load of these devices.

    80 PLUS Titanium and Platinum at half load reach 0.92 to 0.96, a supply that one card loads little 0.91, an adapter 0.88.
    """
    if is_whole_computer(spec):
        return 0.88
    return 0.94 if devices > _CARDS_PER_PROCESSOR else 0.91


def is_whole_computer(spec: AcceleratorSpec) -> bool:
    """Whether the part's own watts are those of processors and memory too (Jetson, GB10)."""
    return spec.form_factor == "module" or "SoC" in (spec.form_factor or "")


def _is_module(spec: AcceleratorSpec) -> bool:
    return any(word in (spec.form_factor or "") for word in ("SXM", "OAM", "module"))


def _is_desktop(spec: AcceleratorSpec) -> bool:
    return "GeForce" in spec.name
