"""The command that starts one replica, by engine: the flags of each are those of its own documentation.

vLLM: ``vllm serve``; SGLang: ``sglang.launch_server``; TensorRT-LLM: ``trtllm-serve``; llama.cpp: ``llama-server``. All answer
OpenAI's API at ``/v1`` and say at ``/health`` whether they are ready.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from aigc_bench.core.messages import message
from aigc_bench.core.records import Record
from aigc_bench.plan.deploy.option_flags import cache_format, sglang_flags, vllm_flags
from aigc_bench.plan.deploy.replica import Replica

EIGHT_BIT_CACHE = ("fp8", "fp4")
"""Precisions that a plan counts with a cache of eight bits (``concurrency.planned_options``)."""
MODEL = "$MODEL"
"""Weights are named where the replica is started: a plan knows an architecture, not whose weights run in it."""


class Start(Record):
    """How a replica is started: words of the command, the image that has it, its port and the metric of running requests."""

    words: tuple[str, ...]
    image: str
    port: int
    metric: str | None
    note: str | None = None


def start_of(replica: Replica) -> Start | None:
    """Return how an engine starts a replica, ``None`` for engines that have no server of their own."""
    made = ENGINES.get(replica.engine)
    return None if made is None else made(replica)


def _vllm(replica: Replica) -> Start:
    words = ["vllm", "serve", MODEL, "--tensor-parallel-size", str(replica.tensor)]
    words += _given("--pipeline-parallel-size", replica.pipeline, replica.pipeline > 1)
    words += _given("--quantization", "fp8", replica.precision == "fp8")
    # The plan counts a cache of eight bits, which "auto" would make sixteen.
    cache = cache_format(replica.options, usual="fp8" if replica.precision in EIGHT_BIT_CACHE else None, eight_bits="fp8")
    words += _given("--kv-cache-dtype", cache, cache is not None)
    words += _given("--dtype", _dtype(replica), replica.precision in ("bf16", "fp16"))
    words += _given("--max-model-len", replica.context, replica.context is not None)
    words += vllm_flags(replica.options)
    words += ["--max-num-seqs", str(replica.batch), "--host", "0.0.0.0", "--port", "8000"]
    return Start(
        words=tuple(words), image="vllm/vllm-openai:latest", port=8000, metric="vllm:num_requests_running", note=_quantised(replica)
    )


def _sglang(replica: Replica) -> Start:
    words = ["python3", "-m", "sglang.launch_server", "--model-path", MODEL, "--tp-size", str(replica.tensor)]
    words += _given("--pp-size", replica.pipeline, replica.pipeline > 1)
    words += _given("--quantization", "fp8", replica.precision == "fp8")
    eight = "fp8_e4m3"
    cache = cache_format(replica.options, usual=eight if replica.precision in EIGHT_BIT_CACHE else None, eight_bits=eight)
    words += _given("--kv-cache-dtype", cache, cache is not None)
    words += _given("--dtype", _dtype(replica), replica.precision in ("bf16", "fp16"))
    words += _given("--context-length", replica.context, replica.context is not None)
    words += sglang_flags(replica.options)
    words += ["--max-running-requests", str(replica.batch), "--host", "0.0.0.0", "--port", "30000", "--enable-metrics"]
    return Start(
        words=tuple(words), image="lmsysorg/sglang:latest", port=30000, metric="sglang:num_running_reqs", note=_quantised(replica)
    )


def _tensorrt_llm(replica: Replica) -> Start:
    words = ["trtllm-serve", "serve", MODEL, "--tp_size", str(replica.tensor)]
    words += _given("--pp_size", replica.pipeline, replica.pipeline > 1)
    words += _given("--max_seq_len", replica.context, replica.context is not None)
    words += ["--max_batch_size", str(replica.batch), "--host", "0.0.0.0", "--port", "8000"]
    note = (
        message(
            "TensorRT-LLM takes fp8 from the checkpoint: give one whose weights and KV cache are quantised (ModelOpt), "
            "not bf16 weights."
        )
        if replica.precision == "fp8"
        else _quantised(replica)
    )
    # Images of NVIDIA's own registry (NGC) have no tag "latest": the one of TensorRT-LLM's quick start guide, 2026.
    return Start(words=tuple(words), image="nvcr.io/nvidia/tensorrt-llm/release:1.3.0rc5", port=8000, metric=None, note=note)


def _llama_cpp(replica: Replica) -> Start:
    words = ["llama-server", "--model", MODEL, "--n-gpu-layers", "999", "--parallel", str(replica.batch), "--cont-batching"]
    # Its context is shared by all slots.
    words += _given("--ctx-size", (replica.context or 0) * replica.batch, replica.context is not None)
    words += ["--host", "0.0.0.0", "--port", "8080", "--metrics"]
    note = message(
        "llama.cpp takes a GGUF file, whose quantisation has to be the planned {precision}.", precision=replica.precision
    )
    return Start(
        words=tuple(words),
        image="ghcr.io/ggml-org/llama.cpp:server-cuda",
        port=8080,
        metric="llamacpp:requests_processing",
        note=note,
    )


ENGINES: Mapping[str, Callable[[Replica], Start]] = {
    "vllm": _vllm, "sglang": _sglang, "tensorrt-llm": _tensorrt_llm, "llama.cpp": _llama_cpp,
}  # fmt: skip


def _given(flag: str, value: object, is_given: bool) -> Sequence[str]:
    return (flag, str(value)) if is_given else ()


def _dtype(replica: Replica) -> str:
    return {"bf16": "bfloat16", "fp16": "float16"}.get(replica.precision, "auto")


def _quantised(replica: Replica) -> str | None:
    """Return what has to be said of formats that no flag makes of other weights."""
    if replica.precision in ("native", "bf16", "fp16", "fp8"):
        return None
    return message("The plan rests on {precision} weights: give a checkpoint that is quantised so.", precision=replica.precision)
