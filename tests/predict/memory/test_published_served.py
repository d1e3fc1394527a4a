"""Memory of served models against what engines have printed at their start, with the source of each figure.

Engines print GiB on each device (vLLM before 0.8 wrote "GB" for them). Models that see
count a tower that the language model has not.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from aigc_bench.predict.closed_form.language import default_cache_bytes, weight_bytes
from aigc_bench.predict.closed_form.language_rows import format_as_served
from aigc_bench.predict.language.of_case import language_model
from aigc_bench.predict.published.language_models import LanguageModel
from aigc_bench.predict.published.name_resolution import number_format
from aigc_bench.predict.published.preset_names import resolve_preset

GIB = 2**30


class Printed(NamedTuple):
    """GiB on each of ``devices`` that an engine printed for a model in a precision (``None``: as it is published)."""

    model: str
    precision: str | None
    gib: float
    source: str
    engine: str = "vllm"
    devices: int = 1


WEIGHTS = (
    Printed("microsoft/Phi-4-mini-instruct", "bf16", 7.1694, "a public notebook of a fine-tuned model, 2025-08-06"),
    Printed("Qwen/Qwen3-8B", "bf16", 15.27, "public notes on ThunderAgent's KV cache, RTX 5090, 2026"),
    Printed("google/gemma-4-26B-A4B", "bf16", 48.5, "myoceane.fr, vLLM 0.19 on an A100, 2026-04-18; with the vision tower"),
    Printed("openai/gpt-oss-20b", None, 13.72, "myoceane.fr, vLLM 0.19 on an A100, 2026-04-18"),
    Printed("openai/gpt-oss-120b", None, 65.9651, "hf2q, notes on the start of vLLM's server, 2026"),
    Printed("Qwen/Qwen2.5-7B-Instruct", "bf16", 14.25, "a deployment guide of OpenShift with KServe, 2026"),
    Printed("Qwen/Qwen2.5-7B-Instruct", "int4", 5.2032, "vllm-project/vllm issue 13882, AWQ on an RTX 4060, 2025-02-26"),
    Printed("Qwen/Qwen3-8B", "int4", 5.7071, "URA's operations notes, Qwen3-8B-AWQ, 2026"),
    Printed("Qwen/Qwen3-8B", "fp8", 8.8, "notes on Qwen3-8B-FP8 under WSL2, 2026"),
    Printed("Qwen/Qwen3-4B", "bf16", 7.6785, "kyuz0/amd-strix-halo-vllm-toolboxes pull request 5, 2025-10-26"),
    Printed("meta-llama/Llama-3.1-8B", "bf16", 14.99, "GoogleCloudPlatform, fast restore of vLLM's pods, 2026"),
    Printed(
        "Qwen/Qwen2.5-72B-Instruct", "bf16", 33.9835, "a public log of a 72B probe on four A100 of 40 GB, 2026-06-12", devices=4
    ),
    Printed("Qwen/Qwen3-30B-A3B", "bf16", 14.2474, "vllm-project/vllm issue 17327, 2025-04-29", devices=4),
    Printed("meta-llama/Llama-3.1-8B", "int4", 4.58, "llama.cpp, tools/quantize/README.md, Q4_K_M", engine="llama.cpp"),
    Printed("meta-llama/Llama-3.1-8B", "int8", 7.95, "llama.cpp, tools/quantize/README.md, Q8_0", engine="llama.cpp"),
    Printed(
        "openai/gpt-oss-20b", None, 11.27, "llama-bench's size of the MXFP4 file, several public tables of 2025", engine="llama.cpp"
    ),
)


def described(name: str) -> LanguageModel:
    family, _, preset = (resolve_preset(name) or "").partition("/")
    model = language_model(family, preset)
    assert model is not None
    return model


@pytest.mark.parametrize("printed", WEIGHTS, ids=lambda one: f"{one.model}-{one.precision}-{one.engine}")
def test_weights_are_within_five_per_cent_of_what_an_engine_printed(printed: Printed) -> None:
    model = described(printed.model)
    numbers = format_as_served(model, printed.precision)
    held = weight_bytes(model, numbers, engine=printed.engine) / printed.devices
    assert held / GIB == pytest.approx(printed.gib, rel=0.05)


@pytest.mark.parametrize(
    ("name", "precision", "devices", "gib", "tokens"),
    [
        # vLLM issue 21348, 2025-07: of Qwen3-235B-A22B-FP8 on each of four H100, cached in 16 bits.
        ("Qwen/Qwen3-235B-A22B", "fp8", 4, 8.11, 178_880),
        # A guide to Qwen and Llama on an RTX 4090, 2025: "Available KV cache memory: 3.78 GiB".
        ("meta-llama/Llama-3.1-8B", "bf16", 1, 3.78, 30_960),
        # Public notes on the KV cache of Qwen3-8B, RTX 5090, 2026: 13.13 GB.
        ("Qwen/Qwen3-8B", "bf16", 1, 13.13e9 / GIB, 89_040),
    ],
)
def test_a_tokens_cache_is_that_of_a_printed_pool(name: str, precision: str, devices: int, gib: float, tokens: int) -> None:
    model = described(name)
    width = default_cache_bytes(number_format(precision), engine="vllm")
    assert model.kv_elements_per_token * width / devices == pytest.approx(gib * GIB / tokens, rel=0.05)


def test_windowed_and_whole_layers_cache_what_llama_cpp_printed() -> None:
    """ollama issue 16480, 2026-06-04, gpt-oss-120b: 9,216 MiB for two sequences of 131,072 cells in 18 layers without a window."""
    whole = [group for group in described("openai/gpt-oss-120b").layers if not group.window]
    held = sum(group.count * group.kv_elements for group in whole) * 2.0 * 2 * 131_072
    assert held / 2**20 == pytest.approx(9216, rel=1e-9)
