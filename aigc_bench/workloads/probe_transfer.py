"""Copies between the host's memory and a device's: to the device and back, from page-locked (pinned) and pageable memory.

A pinned copy is the link's own speed (PCIe, NVLink-C2C). A pageable one passes through a staging buffer of the driver and
shows what a data loader without ``pin_memory`` gets. On a CPU there is nothing to transfer, and the probe is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Mode, Stage
from aigc_bench.workloads._probing import MIB, bypasses_engine, check_values, first_reason, ignores_precision
from aigc_bench.workloads.base import Preset, Program, Settings, Setup, Workload

_SOURCE = message("as NVIDIA's nvbandwidth: host_to_device_memcpy and device_to_host_memcpy")


class TransferSettings(Settings):
    """Size of a copy."""

    size_mib: int = Field(default=64, ge=1, description=message("Size of one copy in MiB."))


def _preset(title: str, *, is_pinned: bool, stage: str) -> Preset:
    return Preset(title=title, source=_SOURCE, config={"is_pinned": is_pinned, "stage": stage})


_PRESETS = {
    "pinned-to-device": _preset(message("Pinned host memory to the device"), is_pinned=True, stage="to_device"),
    "pinned-to-host": _preset(message("The device to pinned host memory"), is_pinned=True, stage="to_host"),
    "pageable-to-device": _preset(message("Pageable host memory to the device"), is_pinned=False, stage="to_device"),
    "pageable-to-host": _preset(message("The device to pageable host memory"), is_pinned=False, stage="to_host"),
}


class ProbeTransfer(Workload):
    """Throughput counts bytes that crossed the link."""

    title: ClassVar[str] = message("Probe: host-to-device transfer")
    item: ClassVar[str] = "byte"
    modes: ClassVar[tuple[Mode, ...]] = ("infer",)
    settings: ClassVar[type[Settings]] = TransferSettings
    presets: ClassVar[Mapping[str, Preset]] = _PRESETS

    def stages(self, case: Case) -> tuple[Stage, ...]:
        """``to_device`` or ``to_host``, repeated ``batch_size`` times."""
        size_bytes = self.options(case).size_mib * MIB
        return (Stage(name=self.preset(case).config["stage"], repeats=case.batch_size, items=size_bytes),)

    def unsupported(self, case: Case) -> str | None:
        """A CPU computes in the host's own memory."""
        if case.backend == "cpu":
            return message(
                "on the cpu backend host and device are one memory, so nothing is transferred; probe_memory measures its copies"
            )
        return super().unsupported(case) or first_reason(case, (bypasses_engine, ignores_precision))

    def build(self, case: Case, setup: Setup) -> Program:
        """A buffer on the host and one on the device, of bytes; without an accelerator both lie in the host's memory."""
        import torch

        self.validate(case)
        config = self.preset(case).config
        # Four bytes each.
        num_values = self.options(case).size_mib * MIB // 4
        is_cuda = setup.device.type == "cuda"
        on_device = setup.normal(num_values, dtype=torch.float32)
        # Not by `setup`, which places what it draws on the device.
        on_host = torch.randn(num_values, generator=setup.generator).to("meta" if setup.device.type == "meta" else "cpu")
        on_host = on_host.pin_memory() if config["is_pinned"] and is_cuda else on_host
        target, source = (on_device, on_host) if config["stage"] == "to_device" else (on_host, on_device)

        def transfer(repeat: int) -> None:
            target.copy_(source, non_blocking=config["is_pinned"])

        return Program(begin=lambda step: None, stages={config["stage"]: transfer}, modules=(), check=lambda: check_values(target))


workload = ProbeTransfer()
