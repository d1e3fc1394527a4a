"""What single operators cost by class and size: element-wise, normalisation, reductions, copies, convolutions, attention, products.

``probe_gemm`` and ``probe_memory`` measure the two ends of a roofline; a model spends its time between them, in operators that are
small, unfused or short of data. Every stage is one operator of one size, called often enough to be timed; each result gets
memory of its own, as in a model. The tracer sees the same calls, so a prediction knows what was measured here
(``predict.observations``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Mode, Stage
from aigc_bench.workloads._probing import bypasses_engine, check_values
from aigc_bench.workloads.base import Preset, Program, Setup, Workload


class Sized(NamedTuple):
    """One operator at one size, ``calls`` times in a repeat."""

    operator: str
    shape: tuple[int, ...]
    calls: int


_SMALL, _MEDIUM, _LARGE = (16, 1024), (512, 1024), (8192, 1024)
"""64 KiB, 2 MiB and 32 MiB in single precision: in a core's cache, in the shared one, and in memory."""

_ELEMENTWISE = {
    f"{name}-{size}": Sized(name, shape, calls)
    for size, shape, calls in (("small", _SMALL, 64), ("medium", _MEDIUM, 8), ("large", _LARGE, 1))
    for name in ("add", "gelu")
} | {f"{name}-medium": Sized(name, _MEDIUM, 8) for name in ("silu", "tanh", "relu")}

_ROWS = {
    "layer_norm-small": Sized("layer_norm", (64, 768), 32),
    "layer_norm-large": Sized("layer_norm", (4096, 768), 1),
    "group_norm-small": Sized("group_norm", (2, 64, 16, 16), 16),
    "group_norm-large": Sized("group_norm", (4, 128, 64, 64), 1),
    "batch_norm-medium": Sized("batch_norm", (16, 64, 32, 32), 4),
    "softmax-small": Sized("softmax", (12, 32, 32), 32),
    "softmax-large": Sized("softmax", (8, 512, 512), 1),
    "softmax-vocabulary": Sized("softmax", (64, 32_000), 1),
    "sum-medium": Sized("sum", _MEDIUM, 8),
    "transpose-small": Sized("transpose", (12, 64, 64), 16),
    "transpose-large": Sized("transpose", (8, 512, 512), 1),
    "cat-medium": Sized("cat", _MEDIUM, 4),
    "embedding-small": Sized("embedding", (30_000, 768, 128), 16),
}

_CONVOLUTIONS = {
    # batch, channels in and out, image side, kernel, stride
    "conv-narrow": Sized("conv", (4, 3, 64, 64, 3, 1), 2),
    "conv-wide": Sized("conv", (2, 64, 64, 32, 3, 1), 2),
    "conv-deep": Sized("conv", (2, 256, 256, 8, 3, 1), 2),
    "conv-small": Sized("conv", (2, 32, 32, 16, 3, 1), 8),
    "conv-late": Sized("conv", (2, 128, 128, 4, 3, 1), 8),
    "conv-last": Sized("conv", (2, 128, 128, 2, 3, 1), 8),
    "conv-pointwise": Sized("conv", (2, 128, 128, 32, 1, 1), 4),
    "conv-pointwise-small": Sized("conv", (2, 64, 64, 8, 1, 1), 8),
    "conv-strided": Sized("conv", (8, 64, 128, 32, 4, 2), 1),
    "conv-strided-deep": Sized("conv", (4, 256, 512, 8, 4, 2), 1),
    "conv-to-image": Sized("conv", (8, 32, 3, 64, 3, 1), 1),
    "transpose-odd": Sized("conv_transpose", (8, 64, 32, 16, 3, 2), 1),
    "transpose-to-image": Sized("conv_transpose", (8, 64, 3, 32, 4, 2), 1),
    "transpose-last": Sized("conv_transpose", (8, 256, 128, 2, 3, 2), 1),
    "transpose-wide": Sized("conv_transpose", (8, 128, 64, 16, 4, 2), 1),
    "transpose-deep": Sized("conv_transpose", (4, 512, 256, 4, 4, 2), 1),
}

_ATTENTION = {
    # batch, heads, queries, keys, width of a head
    "prefill-short": Sized("attention", (1, 12, 32, 32, 64), 16),
    "prefill-long": Sized("attention", (1, 12, 512, 512, 64), 1),
    "narrow-heads": Sized("attention", (2, 8, 128, 128, 8), 4),
    "narrow-heads-small": Sized("attention", (2, 8, 16, 64, 16), 16),
    "decode-short": Sized("attention", (1, 12, 1, 64, 64), 32),
    "decode-long": Sized("attention", (1, 12, 1, 4096, 64), 2),
}

_PRODUCTS = {
    "tiny": Sized("matmul", (64, 128, 128), 32),
    "small": Sized("matmul", (64, 512, 512), 4),
    "row": Sized("matmul", (1, 512, 512), 32),
    "few-rows": Sized("matmul", (16, 768, 3072), 1),
    "vocabulary-row": Sized("matmul", (1, 512, 32_000), 1),
    "vocabulary": Sized("matmul", (64, 512, 16_000), 1),
    "bmm-small": Sized("bmm", (12, 32, 64, 32), 16),
    "bmm-large": Sized("bmm", (12, 256, 64, 256), 2),
}


def _preset(title: str, sizes: Mapping[str, Sized]) -> Preset:
    return Preset(title=title, source=message("operators of the families here, in PyTorch's eager mode"), config={"sizes": sizes})


class ProbeOperators(Workload):
    """Count calls of any size as items: the probe is about the times of its stages."""

    title: ClassVar[str] = message("Probe: operators by class and size")
    item: ClassVar[str] = "call"
    modes: ClassVar[tuple[Mode, ...]] = ("infer",)
    presets: ClassVar[Mapping[str, Preset]] = {
        "elementwise": _preset(message("Additions and activations"), _ELEMENTWISE),
        "rows": _preset(message("Normalisations, reductions, copies and look-ups"), _ROWS),
        "convolution": _preset("Convolutions", _CONVOLUTIONS),
        "attention": _preset(message("Fused attention"), _ATTENTION),
        "products": _preset(message("Small and narrow matrix products"), _PRODUCTS),
    }

    def imports(self, case: Case) -> tuple[str, ...]:
        """The operators."""
        return ("aigc_bench.nets.operators",)

    def stages(self, case: Case) -> tuple[Stage, ...]:
        """One per operator and size, each ``batch_size`` times."""
        sizes: Mapping[str, Sized] = self.preset(case).config["sizes"]
        return tuple(Stage(name=name, repeats=case.batch_size, items=sized.calls) for name, sized in sizes.items())

    def unsupported(self, case: Case) -> str | None:
        """An engine has nothing to prepare here."""
        return super().unsupported(case) or bypasses_engine(case)

    def build(self, case: Case, setup: Setup) -> Program:
        """The operators with their inputs, in the case's precision."""
        import torch

        from aigc_bench.nets.operators import operator

        self.validate(case)
        state: dict[str, Any] = {}

        def stage(sized: Sized) -> Callable[[int], None]:
            call = operator(sized.operator, sized.shape, draw=setup.normal, draw_tokens=setup.tokens)

            def run(repeat: int) -> None:
                with torch.inference_mode():
                    for _ in range(sized.calls):
                        state["output"] = call()

            return run

        stages = {name: stage(sized) for name, sized in self.preset(case).config["sizes"].items()}
        return Program(begin=lambda step: None, stages=stages, modules=(), check=lambda: check_values(state["output"]))


workload = ProbeOperators()
