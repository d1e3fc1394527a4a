"""Memory bandwidth by the patterns of STREAM (McCalpin 1995, cs.virginia.edu/stream): ``copy`` and ``triad``.

Bytes are counted as STREAM counts them: what the operation reads and what it writes, without the line that a processor may
read before writing it. Arrays of 256 MiB are larger than most last-level caches; STREAM's rule is four times their size. The
``-cached`` preset holds its arrays in a cache: the two ends of what an operator's operands can travel at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Mode, Stage
from aigc_bench.workloads._probing import ELEMENT_BYTES, MIB, bypasses_engine, check_values
from aigc_bench.workloads.base import Preset, Program, Settings, Setup, Workload

RANDOM_VALUES = 1 << 18
"""Distinct values that fill an array, one block after another."""
SCALAR = 3.0
_SOURCE = "McCalpin 1995, STREAM"


class MemorySettings(Settings):
    """Size of the arrays."""

    array_mib: int = Field(default=256, ge=1, description=message("Size of one array in MiB; a copy has two, a triad three."))


_PRESETS = {
    "copy-cached": Preset(
        title=message("Copy within a cache, a = b"),
        source=_SOURCE,
        config={"operation": "copy", "arrays_moved": 2, "calls": 64},
        defaults={"array_mib": 1},
    ),
    "copy": Preset(title=message("Copy, a = b"), source=_SOURCE, config={"operation": "copy", "arrays_moved": 2, "calls": 1}),
    "triad": Preset(
        title=message("Triad, a = b + 3 c"), source=_SOURCE, config={"operation": "triad", "arrays_moved": 3, "calls": 1}
    ),
}


class ProbeMemory(Workload):
    """Throughput counts bytes read and written."""

    title: ClassVar[str] = message("Probe: memory bandwidth")
    item: ClassVar[str] = "byte"
    modes: ClassVar[tuple[Mode, ...]] = ("infer",)
    settings: ClassVar[type[Settings]] = MemorySettings
    presets: ClassVar[Mapping[str, Preset]] = _PRESETS

    def stages(self, case: Case) -> tuple[Stage, ...]:
        """``copy`` or ``triad``, repeated ``batch_size`` times."""
        config = self.preset(case).config
        moved = config["arrays_moved"] * config["calls"] * self.options(case).array_mib * MIB
        return (Stage(name=config["operation"], repeats=case.batch_size, items=moved),)

    def unsupported(self, case: Case) -> str | None:
        """An engine has nothing to prepare here."""
        return super().unsupported(case) or bypasses_engine(case)

    def build(self, case: Case, setup: Setup) -> Program:
        """The arrays, one-dimensional, in the case's precision."""
        import torch

        self.validate(case)
        config = self.preset(case).config
        num_values = self.options(case).array_mib * MIB // ELEMENT_BYTES[case.precision]
        # Drawn once and repeated, because the host is slow to draw whole arrays; one block is the smallest array, 1 MiB of fp32.
        block = setup.normal(RANDOM_VALUES)
        a, b = (block.repeat(num_values // RANDOM_VALUES) for _ in range(2))
        c = block.repeat(num_values // RANDOM_VALUES) if config["operation"] == "triad" else None

        def copy(repeat: int) -> None:
            for _ in range(config["calls"]):
                a.copy_(b)

        def triad(repeat: int) -> None:
            assert c is not None, "a triad has a third array"
            for _ in range(config["calls"]):
                torch.add(b, c, alpha=SCALAR, out=a)

        operation = {"copy": copy, "triad": triad}[config["operation"]]
        return Program(begin=lambda step: None, stages={config["operation"]: operation}, modules=(), check=lambda: check_values(a))


workload = ProbeMemory()
