"""All-reduce over the case's devices, by message size: what data, tensor and sharded parallelism pay between devices.

Small messages show the latency alpha, large ones the bandwidth: a machine card fits ``time = alpha + beta x bytes``
(Hockney 1994, doi 10.1016/S0167-8191(06)80021-9). Values are reduced by their maximum, which moves the bytes of a sum and
never overflows however often it is repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Mode, Stage
from aigc_bench.workloads._probing import ELEMENT_BYTES, MIB, bypasses_engine, check_values
from aigc_bench.workloads.base import Preset, Program, Setup, Workload

_SOURCE = message("as NVIDIA's nccl-tests: all_reduce_perf, in place")


def _preset(title: str, *, num_bytes: int) -> Preset:
    return Preset(title=title, source=_SOURCE, config={"num_bytes": num_bytes})


_PRESETS = {
    "all-reduce-4k": _preset(message("4 KiB on each device"), num_bytes=4096),
    "all-reduce-64k": _preset(message("64 KiB on each device"), num_bytes=65536),
    "all-reduce-1m": _preset(message("1 MiB on each device"), num_bytes=MIB),
    "all-reduce-16m": _preset(message("16 MiB on each device"), num_bytes=16 * MIB),
    "all-reduce-256m": _preset(message("256 MiB on each device"), num_bytes=256 * MIB),
}


class ProbeCollective(Workload):
    """Throughput counts the bytes of all devices' messages; nccl-tests' "algbw" is that of one device."""

    title: ClassVar[str] = message("Probe: all-reduce")
    item: ClassVar[str] = "byte"
    modes: ClassVar[tuple[Mode, ...]] = ("infer",)
    presets: ClassVar[Mapping[str, Preset]] = _PRESETS

    def stages(self, case: Case) -> tuple[Stage, ...]:
        """``all_reduce``, ``batch_size`` times."""
        return (Stage(name="all_reduce", repeats=case.batch_size, items=self.preset(case).config["num_bytes"]),)

    def unsupported(self, case: Case) -> str | None:
        """Refuse a single device, which has no peer to reduce with."""
        if case.devices < 2:
            return message("an all-reduce needs devices >= 2")
        return super().unsupported(case) or bypasses_engine(case)

    def build(self, case: Case, setup: Setup) -> Program:
        """One message per device. A process that has joined no group (the tracer) reduces over itself: nothing moves."""
        from torch import distributed

        self.validate(case)
        message = setup.normal(self.preset(case).config["num_bytes"] // ELEMENT_BYTES[case.precision])
        has_group = distributed.is_available() and distributed.is_initialized()

        def all_reduce(repeat: int) -> None:
            if has_group:
                # In place, as nccl-tests does it.
                distributed.all_reduce(message, op=distributed.ReduceOp.MAX)

        return Program(begin=lambda step: None, stages={"all_reduce": all_reduce}, modules=(), check=lambda: check_values(message))


workload = ProbeCollective()
