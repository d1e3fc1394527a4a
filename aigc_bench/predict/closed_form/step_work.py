"""The work of one step on one group of devices: FLOPs, bytes, kernels and exchanges of a model at the row's sizes."""

from __future__ import annotations

import math

from aigc_bench.core.messages import message
from aigc_bench.core.records import Record
from aigc_bench.predict.closed_form.collectives import sharded_step_bytes
from aigc_bench.predict.closed_form.columns import NotPredictable
from aigc_bench.predict.closed_form.step_models import StepModel, resolve_step_model
from aigc_bench.predict.language.named import language_named
from aigc_bench.predict.published.name_resolution import NumberFormat, resolve_engine
from aigc_bench.predict.published.row import PublishedQuery, video_latents

DENOISED = ("diffusion-image", "video")
"""Families whose network is called once for each step of a sampler."""
TOKEN_FAMILIES = ("bert", "llm-small", "seq2seq-rnn", "seq2seq-transformer")
"""Families whose items are sequences of tokens."""
SENTENCE_TOKENS = 32.0
"""Tokens of a sentence of WMT with its padding: the length that the traced transformer has."""
_FUSED_ENGINES = ("fastertransformer", "tensorrt", "tensorrt-llm")
_FUSED_SHARE = 0.25
"""Kernels of a decoder's layer in an engine that fuses them, over a framework's: a dozen of some fifty (FasterTransformer)."""
_TRANSLATED_TOKENS = 64.0
"""Tokens of a sentence and of its translation where a row states none (WMT's mean is 25 to 30, summaries have 60; assumed)."""
_EXCHANGED_SHARE = 0.13
"""Bytes of one all-to-all of queries, keys, values and outputs (4 h a token and layer) over what a block's products move (30 h)."""
_MICROBATCH = 2.0
_TRAINING_BYTES_A_PARAMETER = 22.0
"""Weight read twice, gradient written and read, Adam's two moments and the fp32 copy read and written (mixed precision)."""


class StepWork(Record):
    """Work of one step on one group of devices; ``once`` what is done once a step, ``decoder`` what a decoder's steps add.

    ``moved_bytes`` are those of products, weights included, ``pointwise_bytes`` those of unfused operators, ``state_bytes`` what
    lives between steps, ``kept_bytes`` what a backward pass keeps. ``ranks`` share one item. ``is_exact``: the FLOPs are counted,
    by a trace or in closed form, and no device is faster than its peak on them.
    """

    name: str
    flops: float
    moved_bytes: float
    pointwise_bytes: float = 0.0
    depth: float
    decoder_flops: float = 0.0
    decoder_bytes: float = 0.0
    reduced_bytes: float = 0.0
    exchanged_bytes: float = 0.0
    state_bytes: float = 0.0
    kept_bytes: float = 0.0
    items: float
    ranks: int = 1
    model_flops: float = 1.0
    is_exact: bool = False


def language_work(query: PublishedQuery, numbers: NumberFormat, per_device: float) -> StepWork:
    """Forward and backward of a decoder over ``per_device`` sequences; raises ``NotPredictable`` for an unknown model."""
    model = query.language or language_named(query.model)
    if model is None:
        raise NotPredictable(message("model {model!r} is not known", model=query.model))
    is_adapter = "lora" in query.model.lower()
    length = training_length(query)
    # Forward 1, gradients of activations 1, of weights 1; adapters spare the last. Recomputation adds a forward: 8 for 6 FLOPs.
    passes = (2.0 if is_adapter else 3.0) * (8 / 6 if query.words.get("activation_ckpt") == "True" else 1.0)
    tensor, devices = query.layout.get("tp", 1.0), query.gpu_count
    tokens = per_device * length
    # Four all-reduces a layer (two forward, two backward) of 2-byte activations, each moving 2 (n - 1) / n of them.
    exchanged = 4 * model.num_layers * 2 * tokens * model.hidden_size * 2 * (tensor - 1) / tensor if tensor > 1 else 0.0
    if model.num_experts and query.layout.get("ep", 0.0) > 1:
        # Four all-to-alls a layer: to the experts and back, forward and backward; every token goes to each of its experts.
        exchanged += 4 * model.num_layers * tokens * model.hidden_size * 2 * model.experts_per_token
    # 34 bytes of activations a token, layer and width (Korthikanti et al. 2022).
    activations = 34 * model.num_layers * model.hidden_size * tokens
    # Kept of one microbatch: as stated, else of at most a few sequences, the rest being accumulated one after the other (assumed).
    kept = activations * min(1.0, query.layout.get("microbatch", _MICROBATCH) / per_device)
    # 18 a parameter: weight, gradient, Adam; adapters keep the two bytes of the weight.
    states = (2.0 if is_adapter else 18.0) * model.total_params / devices
    return StepWork(
        name="lora" if is_adapter else model.name,
        # By convention without recomputation: MFU counts useful FLOPs only, ``flops`` below what is executed.
        model_flops=(6 * model.active_params * length + 3 * model.prompt_attention_flops(length)) * per_device,
        flops=(2 * model.active_params * length + model.prompt_attention_flops(length)) * passes * per_device,
        moved_bytes=activations * passes + 18 * model.total_params / devices,
        depth=12 * model.num_layers * passes,
        reduced_bytes=sharded_step_bytes(model.total_params, devices),
        exchanged_bytes=exchanged,
        state_bytes=states,
        kept_bytes=kept / tensor / query.layout.get("pp", 1.0),
        items=per_device,
        is_exact=True,
    )


def training_length(query: PublishedQuery) -> float:
    """Tokens of a sequence that a language model is trained on: stated, or what published runs of its kind use (assumed)."""
    return query.input_len or (8192.0 if query.family == "llm-finetune" else 2048.0)


def model_work(query: PublishedQuery, numbers: NumberFormat, per_device: float) -> StepWork:
    """A model's work of one item times the items; training takes three passes, a denoiser one call a step and guidance branch."""
    model = resolve_step_model(query)
    if model is None:
        raise NotPredictable(message("model {model!r} is not known in family {family}", model=query.model, family=query.family))
    scale, calls, branches = _scale(query, model), _calls(query), _branches(query, model)
    ranks = _ranks(query)
    items, passes = per_device, 3.0 if query.is_training else 1.0
    once = 0.0 if query.is_training or query.metric == "denoise_iterations" else 1.0
    flops = (model.flops * _product_growth(query, scale) + model.attention_flops * scale**2) * calls * branches
    decoder_calls = _decoder_calls(query, model)
    if query.is_training:
        # Teacher forcing: all steps of the decoder in one pass.
        flops += (query.input_len or SENTENCE_TOKENS) * model.decoder_flops if decoder_calls else 0.0
        decoder_calls = 0.0
    product, pointwise = (bytes_ * calls * branches for bytes_ in _activation_bytes(query, model, scale))
    width, weight = _widths(numbers)
    params = _TRAINING_BYTES_A_PARAMETER if query.is_training else weight * calls
    devices, beams = query.gpu_count, float(query.words.get("beams") or 1)
    fused = _FUSED_SHARE if resolve_engine(query.software).name in _FUSED_ENGINES else 1.0
    # A ring's all-reduce of the gradients.
    reduced = 2 * _all_params(model) * numbers.activation_bytes * (devices - 1) / devices
    return StepWork(
        name=model.name,
        # Encoders of prompts and decoders of latents are not divided: xDiT runs them whole on one rank.
        flops=(flops * passes / ranks + once * model.once_flops * scale) * items,
        moved_bytes=product * passes * width * items / ranks + model.params * params,
        pointwise_bytes=(pointwise * passes * numbers.activation_bytes / 2 / ranks + once * model.once_bytes * scale) * items,
        depth=model.kernels * passes * calls + once * model.once_kernels + decoder_calls * model.decoder_kernels * fused,
        decoder_flops=decoder_calls * model.decoder_flops * items * beams,
        # A step reads the decoder's weights once for all sequences, and the caches of each.
        decoder_bytes=decoder_calls
        * (model.decoder_params * weight + model.decoder_bytes * items * beams * numbers.activation_bytes / 2),
        reduced_bytes=reduced if query.is_training else 0.0,
        exchanged_bytes=_exchanged(query, product * items, ranks=ranks),
        state_bytes=_all_params(model) * (16.0 if query.is_training else weight),
        kept_bytes=(product + pointwise) * width * min(items, query.layout.get("microbatch", items)),
        items=items,
        ranks=ranks,
        is_exact=bool(model.preset) and "padding" not in query.words,
    )


def _ranks(query: PublishedQuery) -> int:
    """Return the devices that divide one item or batch; everybody but xDiT gives each device items of its own."""
    if query.family in DENOISED and resolve_engine(query.software).name == "xdit":
        return query.gpu_count
    # An encoder in tensor parallel divides one batch as well.
    return int(query.layout.get("tp", 1.0)) if query.family == "bert" else 1


def _widths(numbers: NumberFormat) -> tuple[float, float]:
    """Return how wide products read activations, over 16 bits, and the bytes of a weight."""
    # Under eight-bit formats products read eight bits, the rest stays wide.
    width = 0.5 if numbers.name in ("int8", "fp8") else numbers.activation_bytes / 2
    return width, 2.0 if numbers.name == "amp" else numbers.weight_bytes


def _all_params(model: StepModel) -> float:
    return model.params + (model.decoder_params if model.family in TOKEN_FAMILIES else 0.0)


def _scale(query: PublishedQuery, model: StepModel) -> float:
    """Tokens, pixels or latent pixels of the row's item over those of the model's reference."""
    if query.family == "bert":
        return _encoded_tokens(query, model) / model.reference_items
    if query.family == "audio-asr":
        return float(query.words["audio_s"]) / model.reference_items if "audio_s" in query.words else 1.0
    if query.family in TOKEN_FAMILIES:
        default = _TRANSLATED_TOKENS if query.family == "seq2seq-transformer" else model.reference_items
        return (query.input_len or default) / model.reference_items
    if query.family == "audio-tts":
        return float(query.words.get("audio_s") or 1.0) / REFERENCE_AUDIO_S if "audio_s" in query.words else 1.0
    if not _has_size(query):
        return 1.0
    # MLPerf trains FLUX on images of 256 x 256.
    default = _MLPERF_FLUX_PIXELS if query.is_training and model.name == "flux" else model.reference_items
    return (video_latents(query.resolution) or default) / model.reference_items


_MLPERF_FLUX_PIXELS = 256.0 * 256.0
_SQUAD_TOKENS = 180.0
"""Mean tokens of a question and its passage in SQuAD 1.1, cut at 384: MLPerf's harnesses for TensorRT drop the padding."""


def _encoded_tokens(query: PublishedQuery, model: StepModel) -> float:
    """Tokens of a sequence that an encoder computes: without the padding where the engine drops it."""
    if query.input_len is None and "squad" in query.words.get("dataset", "").lower():
        return _SQUAD_TOKENS
    # FasterTransformer's tables of its effective variant have sequences that are padded to twice their length.
    return (query.input_len or model.reference_items) * (0.5 if "removed" in query.words.get("padding", "") else 1.0)


REFERENCE_AUDIO_S = 6.5
"""Seconds of speech of one utterance: the mean of LJSpeech, on which the published models are trained."""


def _has_size(query: PublishedQuery) -> bool:
    return query.family in (*DENOISED, "gan")


def _product_growth(query: PublishedQuery, scale: float) -> float:
    """Growth of all FLOPs but attention's. A GAN halves its channels where it doubles its sides: every octave costs the same."""
    if query.family != "gan":
        return scale
    # From 4 x 4 on, so that 1,024 x 1,024 has nine octaves.
    sides = math.log2(1024) + math.log2(scale) / 2
    return max(1.0, sides - 1) / 9


def _activation_bytes(query: PublishedQuery, model: StepModel, scale: float) -> tuple[float, float]:
    """Bytes of products and of unfused operators; text of before flash attention wrote its scores.

    A GAN's octave holds twice the bytes of the one before: pixels by four, channels by half. A score has ten bytes (written, read
    twice, masked), and 4 x 64 FLOPs make one.
    """
    if query.family == "gan":
        return model.product_bytes * math.sqrt(scale), model.pointwise_bytes * math.sqrt(scale)
    scores = model.attention_flops * scale**2 / (4 * 64) * 10 if query.family == "bert" else 0.0
    return model.product_bytes * scale, model.pointwise_bytes * scale + scores


def _calls(query: PublishedQuery) -> float:
    if query.family not in DENOISED or query.is_training or query.metric == "denoise_iterations":
        return 1.0
    return query.steps or 1.0


def _branches(query: PublishedQuery, model: StepModel) -> float:
    """Branches of guidance: with the prompt and without it; one in training and for distilled models."""
    return 1.0 if query.is_training or query.family not in DENOISED else model.branches


def _decoder_calls(query: PublishedQuery, model: StepModel) -> float:
    if not model.decoder_steps:
        return 0.0
    if query.family == "seq2seq-transformer":
        return query.output_len or _TRANSLATED_TOKENS
    return model.decoder_steps * (_scale(query, model) if query.family == "audio-tts" else 1.0)


def _exchanged(query: PublishedQuery, product_bytes: float, *, ranks: int) -> float:
    """Bytes that one device of a group sends: Ulysses' all-to-alls shrink with the ranks, a ring passes all keys and values on."""
    if ranks <= 1:
        return 0.0
    ring = query.layout.get("ring", 1.0)
    ulysses = query.layout.get("ulysses", ranks / ring)
    all_to_all = (ulysses - 1) / ulysses / ranks
    # Keys and values are half of what an all-to-all moves.
    passed_on = 0.5 * (ring - 1) / ring / ulysses
    return _EXCHANGED_SHARE * product_bytes * (all_to_all + passed_on)
