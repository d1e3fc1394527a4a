"""Render peak memory: allocated by tensors, reserved by the allocator, used on the device, and of the host process."""

from __future__ import annotations

from typing import ClassVar

from aigc_bench.core.messages import message
from aigc_bench.core.run_records import System
from aigc_bench.core.units import quantity
from aigc_bench.report.base import MODE_WORDS, ReportContext, Section
from aigc_bench.report.charts import Limit, Series, bars
from aigc_bench.report.markup import template

KINDS = (
    ("memory_allocated_peak", "allocated", "c6"),
    ("memory_reserved_peak", "reserved", "c1"),
    ("memory_device_peak", message("device, all processes"), "c5"),
    ("memory_host_peak", message("host process"), "c3"),
)


class MemorySection(Section):
    """Show grouped bars of the peaks after warm-up; kinds without a counter are named and left out."""

    title: ClassVar[str] = message("Memory")
    order: ClassVar[int] = 60

    def render(self, context: ReportContext) -> str | None:
        """Return the section; ``None`` if no case has a memory number."""
        views = [view for view in context.measured if any(view.value(kind) is not None for kind, _, _ in KINDS)]
        if not views:
            return None
        # A kind without any value would leave an empty bar at every case.
        present = [kind for kind in KINDS if any(view.value(kind[0]) is not None for view in views)]
        absent = [name for kind, name, _ in KINDS if kind not in {found for found, _, _ in present}]
        series = [Series(name=name, values=[view.value(kind) for view in views], color=color) for kind, name, color in present]
        greatest = max(value for one in series for value in one.values if value is not None)
        chart = bars(
            "memory",
            title=message("Peak memory after warm-up"),
            labels=[message("{label}, {mode}", label=view.label, mode=MODE_WORDS[view.case.mode]) for view in views],
            series=series,
            unit="B",
            limit=limit_of(context.runs[0].run.info.system, greatest=greatest),
            note=_note(context.runs[0].run.info.system),
        )
        return template("memory.html.j2", {"chart": chart, "absent": absent})


def capacity_bytes(system: System) -> tuple[int, str]:
    """Return the memory that a case must fit in, and its name: the smallest accelerator's, else the host's within its limit."""
    sizes = [device.memory_bytes for device in system.accelerators if device.memory_bytes]
    if sizes:
        return min(sizes), message("memory of a device")
    if system.memory_limit_bytes is not None and system.memory_limit_bytes < system.memory_bytes:
        return system.memory_limit_bytes, message("memory limit of this machine")
    return system.memory_bytes, message("memory of this machine")


def limit_of(system: System, *, greatest: float) -> Limit | None:
    """Return the capacity as a line, if it is near enough to draw next to the bars."""
    size, name = capacity_bytes(system)
    # Beyond four times the largest bar the line would squeeze all bars to the left.
    return Limit(value=size, label=f"{name}, {quantity(size, 'B')}") if size <= 4 * greatest else None


def _note(system: System) -> str:
    size, name = capacity_bytes(system)
    return message("The {name} is {size}.", name=name, size=quantity(size, "B"))


section = MemorySection()
