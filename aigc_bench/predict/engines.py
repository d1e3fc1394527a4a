"""What an engine adds to or takes from the operators of a model: dispatch on the host, launches on the device, fusion.

An eager framework dispatches every operator from one thread; the device waits where that is slower than the kernels. A compiler
fuses element-wise chains (their bytes are moved once, their launches vanish); recorded graphs have no dispatch at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from aigc_bench.core.errors import UnknownNameError
from aigc_bench.core.records import Record

SERVED = ("vllm", "sglang", "tensorrt-llm", "llama.cpp", "fastertransformer", "transformers")
"""Engines whose language-model inference is answered by the closed form that was calibrated on published results."""


class EngineCosts(Record):
    """Seconds per operator: ``dispatch_s`` in the framework, ``python_s`` in the model's own code, ``launch_s`` on the device.

    ``unfused_share`` is the share of launches and traffic that fusion leaves.
    """

    dispatch_s: float
    python_s: float
    launch_s: float
    unfused_share: float
    status: str
    source: str


_COSTS: Mapping[str, EngineCosts] = MappingProxyType(
    {
        "torch-eager": EngineCosts(
            dispatch_s=4e-6,
            python_s=5e-6,
            launch_s=3e-6,
            unfused_share=1.0,
            status="assumed",
            source="general knowledge; 4-12 us an operator of a model, the low end in a chain of operators",
        ),
        "torch-compile": EngineCosts(
            dispatch_s=1e-6,
            python_s=2e-6,
            launch_s=3e-6,
            unfused_share=0.4,
            status="assumed",
            source="general knowledge; Inductor fuses pointwise chains",
        ),
    }
)


def engine_costs(name: str) -> EngineCosts:
    """The costs of an engine that runs traced operators; raises ``UnknownNameError`` with the nearest names."""
    if name not in _COSTS:
        raise UnknownNameError("engine", name, known=(*_COSTS, *SERVED))
    return _COSTS[name]
