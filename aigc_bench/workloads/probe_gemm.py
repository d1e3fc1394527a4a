"""Matrix products ``(m, k) x (k, n)``: the FLOP/s a device achieves, by shape and precision.

A square product of some thousands comes near the peak. The others are one linear layer of a language model with ``m`` tokens
in flight: at m = 1 a product reads each weight once for two FLOPs and is bound by memory, at m = 4096 by arithmetic. In
between lies the ridge of the roofline (Williams et al. 2009, doi 10.1145/1498765.1498785).

As in a model whose layers follow one another, each product meets weights that the last ones did not: the products go round
through copies that fill ``POOL_BYTES`` (at most ``MAX_COPIES``), more than a last-level cache holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Mode, Stage
from aigc_bench.workloads._probing import ELEMENT_BYTES, MIB, bypasses_engine, check_values
from aigc_bench.workloads.base import Preset, Program, Settings, Setup, Workload

if TYPE_CHECKING:
    import torch

POOL_BYTES = 512 * MIB
MAX_COPIES = 64
NUM_INPUTS = 2


class GemmSettings(Settings):
    """Shape and number of products."""

    m: int = Field(default=1, ge=1, description=message("Rows of the left matrix: tokens that pass the layer together."))
    calls: int = Field(default=1, ge=1, description=message("Products in one repeat; raise it where one takes less than 0.1 ms."))


def _square(size: int, *, calls: int = 1) -> Preset:
    return Preset(
        title=f"{size} x {size} x {size}",
        source=message("a square product, as vendors and HPL-like tests take it"),
        config={"k": size, "n": size},
        defaults={"m": size, "calls": calls},
    )


def _layer(title: str, *, k: int, n: int, source: str) -> Preset:
    return Preset(title=title, source=source, config={"k": k, "n": n})


_PRESETS = {
    "square-256": _square(256, calls=8),
    "square-512": _square(512, calls=4),
    "square-1024": _square(1024),
    "square-2048": _square(2048),
    "square-4096": _square(4096),
    "square-8192": _square(8192),
    "gpt2-mlp": _layer(
        message("GPT-2 124M, first layer of the MLP"), k=768, n=3072, source="Radford et al. 2019; n_embd 768, 4 x 768"
    ),
    "llama-3.1-8b-qkv": _layer(
        message("Llama 3.1 8B, query, key and value together"),
        k=4096,
        n=6144,
        source="arXiv 2407.21783, table 3: 4096 wide, 32 query and 8 key/value heads of 128",
    ),
    "llama-3.1-8b-mlp": _layer(
        message("Llama 3.1 8B, up projection"), k=4096, n=14336, source="arXiv 2407.21783, table 3: FFN dimension 14,336"
    ),
    "llama-3.1-70b-mlp": _layer(
        message("Llama 3.1 70B, up projection"), k=8192, n=28672, source="arXiv 2407.21783, table 3: FFN dimension 28,672"
    ),
}


class ProbeGemm(Workload):
    """Throughput counts FLOPs: two for each multiply-add."""

    title: ClassVar[str] = message("Probe: matrix products")
    item: ClassVar[str] = "FLOP"
    modes: ClassVar[tuple[Mode, ...]] = ("infer",)
    settings: ClassVar[type[Settings]] = GemmSettings
    presets: ClassVar[Mapping[str, Preset]] = _PRESETS

    def stages(self, case: Case) -> tuple[Stage, ...]:
        """``multiply``, repeated ``batch_size`` times; each repeat is ``calls`` products of ``2 m k n`` FLOPs."""
        m, k, n = shape(case)
        return (Stage(name="multiply", repeats=case.batch_size, items=2 * m * k * n * self.options(case).calls),)

    def unsupported(self, case: Case) -> str | None:
        """An engine has nothing to prepare here."""
        return super().unsupported(case) or bypasses_engine(case)

    def build(self, case: Case, setup: Setup) -> Program:
        """Inputs ``(m, k)``, weights ``(n, k)`` as a linear layer holds them, output ``(m, n)``, all in the case's precision."""
        import torch

        self.validate(case)
        m, k, n = shape(case)
        calls = self.options(case).calls
        inputs = [setup.normal(m, k) for _ in range(NUM_INPUTS)]
        weights = _weights(setup, k=k, n=n, num=num_weights(case))
        output = torch.empty(m, n, dtype=setup.params_dtype, device=setup.device)
        state: dict[str, Any] = {"input": inputs[0], "at": 0}

        def begin(step: int) -> None:
            state["input"] = inputs[step % NUM_INPUTS]

        def multiply(repeat: int) -> None:
            at = state["at"]
            for call in range(calls):
                # Into memory of its own, so that no allocation is timed.
                torch.mm(state["input"], weights[(at + call) % len(weights)], out=output)
            # The next repeat goes on from here, with weights that have left the cache.
            state["at"] = (at + calls) % len(weights)

        return Program(begin=begin, stages={"multiply": multiply}, modules=(), check=lambda: check_values(output))


workload = ProbeGemm()


def shape(case: Case) -> tuple[int, int, int]:
    """(m, k, n) of the case's products."""
    config = workload.preset(case).config
    return workload.options(case).m, config["k"], config["n"]


def num_weights(case: Case) -> int:
    """How many copies of the weights fill the pool: at least one, at most ``MAX_COPIES``."""
    _, k, n = shape(case)
    return min(MAX_COPIES, max(1, POOL_BYTES // (k * n * ELEMENT_BYTES[case.precision])))


def _weights(setup: Setup, *, k: int, n: int, num: int) -> list[torch.Tensor]:
    """``num`` transposed views ``(k, n)`` of one set of random weights, each in memory of its own; their products stay near 1."""
    first = setup.normal(n, k) * k**-0.5
    return [first.t(), *(first.clone().t() for _ in range(num - 1))]
