"""Questions about steps by hand: the work of a step, what joins the metric to its seconds, and which are not answered."""

from __future__ import annotations

import math
from typing import Any

import pytest

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.predict.closed_form.columns import ModelRow, NotPredictable, log2_bin
from aigc_bench.predict.closed_form.step_models import StepModel, resolve_step_model, step_models
from aigc_bench.predict.closed_form.step_rows import ASPECTS, ENGINES, FAMILIES, step_row
from aigc_bench.predict.published.name_resolution import resolve_language_model
from aigc_bench.predict.published.row import PublishedQuery

CATALOGUE = load_catalogue(with_user_files=False)
A100 = CATALOGUE.accelerator("a100_sxm_80gb")
BANDWIDTH, BF16 = A100.memory_bandwidth_bytes_per_s, A100.peak("bf16") or 0.0
RESNET = next(model for model in step_models() if model.family == "vision-cnn")


def query(**changes: Any) -> PublishedQuery:
    plain: dict[str, Any] = {
        "family": "vision-cnn", "task": "infer", "model": "resnet50", "gpu": A100.id, "precision": "bf16", "batch": 8,
        "metric": "throughput", "unit": "images/s", "software": "TensorRT 8",
    }  # fmt: skip
    return PublishedQuery(**{**plain, **changes})


def row(spec: AcceleratorSpec = A100, **changes: Any) -> ModelRow:
    return step_row(query(**changes), spec)


def test_a_batch_of_images_takes_its_work_an_image_times_the_images() -> None:
    found = row()
    assert resolve_step_model(query()) == RESNET
    assert found.columns["compute"] == pytest.approx(8 * RESNET.flops / BF16)
    assert found.columns["memory"] == pytest.approx((8 * RESNET.product_bytes + 2 * RESNET.params) / BANDWIDTH)
    assert found.columns["pointwise"] == pytest.approx(8 * RESNET.pointwise_bytes / BANDWIDTH)
    assert found.columns["depth"] == RESNET.kernels
    assert (found.columns["reduced"], found.columns["exchanged"], found.columns["power_share"]) == (0.0, 0.0, 1.0)
    assert found.columns["bandwidth"] == BANDWIDTH
    assert FAMILIES[int(found.columns["family"])] == "vision-cnn" and ENGINES[int(found.columns["engine"])] == "tensorrt"
    assert found.columns["is_bounded"] == 1.0
    assert (found.form, found.track, found.is_rate, found.sign) == ("step", "vision-cnn.infer.rate", True, -1.0)
    assert found.offset == pytest.approx(math.log(8)) and found.accelerator == A100.id and found.caution == ()
    assert found.value(math.log(0.5)) == pytest.approx(16.0), "8 images in half a second"
    assert found.log_quantity(16.0) == pytest.approx(math.log(0.5))


def test_training_takes_three_passes_and_reduces_gradients_over_its_devices() -> None:
    one, four = (row(task="train", gpu_count=count, software="PyTorch") for count in (1, 4))
    assert one.columns["compute"] == pytest.approx(3 * 8 * RESNET.flops / BF16)
    assert one.columns["memory"] == pytest.approx((3 * 8 * RESNET.product_bytes + 22 * RESNET.params) / BANDWIDTH)
    assert one.columns["depth"] == 3 * RESNET.kernels
    assert one.columns["reduced"] == 0.0
    link = A100.scale_up_bytes_per_s or 0.0
    assert four.columns["reduced"] == pytest.approx(2 * RESNET.params * 2 * 3 / 4 / link)
    assert four.offset == pytest.approx(math.log(8 * 4)) and one.track == "vision-cnn.train.rate"
    assert row(gpu_count=4).columns["reduced"] == 0.0, "inference reduces nothing"


@pytest.mark.parametrize(
    ("precision", "width", "param_bytes"), [("int8", 0.5, 1.0), ("fp8", 0.5, 1.0), ("fp32", 2.0, 4.0), ("amp", 1.0, 2.0)]
)
def test_activations_and_parameters_are_as_wide_as_the_format(precision: str, width: float, param_bytes: float) -> None:
    peaks = {"fp32": 1e12, "bf16": 2e12, "fp16": 2e12, "int8": 4e12, "fp8": 4e12}
    spec = A100.model_copy(update={"peak_flops": peaks})
    found = row(spec, precision=precision)
    moved = 8 * RESNET.product_bytes * width + RESNET.params * param_bytes
    assert found.columns["memory"] == pytest.approx(moved / spec.memory_bandwidth_bytes_per_s)


def test_single_precision_runs_as_tf32_where_the_device_has_it() -> None:
    assert row(precision="fp32").columns["compute"] == pytest.approx(8 * RESNET.flops / (A100.peak("tf32") or 0))
    bare = A100.model_copy(update={"peak_flops": {"fp32": 1e12}})
    assert row(bare, precision="fp32").columns["compute"] == pytest.approx(8 * RESNET.flops / 1e12)


@pytest.mark.parametrize(
    ("changes", "per_device"),
    [
        ({"batch": None}, 128),
        ({"batch": None, "metric": "latency_p99", "unit": "s"}, 1),
        ({"batch": 64, "gpu_count": 4}, 64),
        ({"batch": 64, "gpu_count": 4, "task": "train", "software": "NVIDIA PyTorch"}, 16),
        ({"batch": 2, "gpu_count": 4, "task": "train", "software": "NVIDIA PyTorch"}, 1),
    ],
)
def test_a_batch_is_of_one_device_but_where_a_source_states_all(changes: dict[str, Any], per_device: float) -> None:
    found = row(**changes)
    passes = 3 if changes.get("task") == "train" else 1
    assert found.columns["compute"] == pytest.approx(passes * per_device * RESNET.flops / BF16)
    assert found.caution == (() if changes.get("batch") else ("batch_assumed",))


def test_mlperfs_harness_multiplies_in_fewer_bits_than_the_weights_have() -> None:
    words: dict[str, Any] = {"words": {"scenario": "Offline"}}
    assert row(**words, precision="fp32").columns["compute"] == pytest.approx(8 * RESNET.flops / (A100.peak("int8") or 0))
    hopper = CATALOGUE.accelerator("h100_sxm_80gb")
    bert: dict[str, Any] = {"family": "bert", "model": "bert-large", "precision": "fp16"}
    eight, sixteen = row(hopper, **bert, **words), row(hopper, **bert)
    assert sixteen.columns["compute"] == pytest.approx(
        eight.columns["compute"] * (hopper.peak("fp8") or 0) / (hopper.peak("fp16") or 1)
    )


def test_padding_that_the_engine_drops_is_not_computed() -> None:
    words: dict[str, Any] = {"family": "bert", "model": "bert-large"}
    squad = row(**words, words={"dataset": "SQuAD 1.1"})
    assert squad.columns["compute"] == pytest.approx(row(**words, input_len=180).columns["compute"])
    half = row(**words, input_len=256, words={"padding": "half of tokens are padding, removed"})
    assert half.columns["compute"] == pytest.approx(row(**words, input_len=128).columns["compute"])
    assert half.columns["is_bounded"] == 0.0, "how much is dropped is a mean"


def test_what_is_not_stated_is_a_caution() -> None:
    assert row(precision=None).caution == ("precision_assumed",)
    assert row(batch=None, layout={"harness_batch": 2048.0}, metric="throughput_offline").columns["compute"] == pytest.approx(
        2048 * RESNET.flops / BF16
    )


def model(**changes: Any) -> StepModel:
    found = resolve_step_model(query(**changes))
    assert found is not None
    return found


def test_text_adds_attention_that_grows_with_the_square_of_its_length() -> None:
    words: dict[str, Any] = {"family": "bert", "model": "bert-large", "unit": "sequences/s"}
    bert = model(**words)
    for length in (128, 256):
        found, scale = row(**words, input_len=length), length / bert.reference_items
        flops = bert.flops * scale + bert.attention_flops * scale**2
        # scores of heads of 64, written and read: ten bytes each
        pointwise = bert.pointwise_bytes * scale + bert.attention_flops * scale**2 / 256 * 10
        assert found.columns["compute"] == pytest.approx(8 * flops / BF16)
        assert found.columns["memory"] == pytest.approx((8 * bert.product_bytes * scale + 2 * bert.params) / BANDWIDTH)
        assert found.columns["pointwise"] == pytest.approx(8 * pointwise / BANDWIDTH)
    assert row(**words).columns["compute"] == row(**words, input_len=bert.reference_items).columns["compute"]
    base = resolve_step_model(
        PublishedQuery(family="bert", model="bert", gpu="x", metric="throughput", unit="1/s", words={"size": "base"})
    )
    assert base is not None and base.name == "bert-base"


def test_a_denoiser_is_called_for_every_step_and_branch_and_decodes_once() -> None:
    words: dict[str, Any] = {"family": "diffusion-image", "model": "stable-diffusion-xl", "batch": 1}
    sdxl = model(**words)
    side = math.isqrt(int(sdxl.reference_items))
    once, often = (row(**words, steps=steps, resolution=f"{side}x{side}") for steps in (1, 30))
    step = 2 * (sdxl.flops + sdxl.attention_flops)
    assert once.columns["compute"] == pytest.approx((step + sdxl.once_flops) / BF16)
    assert often.columns["compute"] == pytest.approx((30 * step + sdxl.once_flops) / BF16)
    assert often.columns["depth"] == pytest.approx(30 * sdxl.kernels + sdxl.once_kernels), "both branches are one batch"
    assert often.columns["memory"] == pytest.approx(30 * once.columns["memory"])
    wide = row(**words, steps=1, resolution=f"{2 * side}x{side}")
    grown = 2 * (2 * sdxl.flops + 4 * sdxl.attention_flops) + 2 * sdxl.once_flops
    assert wide.columns["compute"] == pytest.approx(grown / BF16)
    rate = row(**words, steps=30, resolution=f"{side}x{side}", metric="denoise_iterations", unit="it/s")
    assert rate.columns["compute"] == pytest.approx(step / BF16) and rate.offset == 0.0
    training = row(**words, steps=30, resolution=f"{side}x{side}", task="train")
    assert training.columns["compute"] == pytest.approx(3 * step / 2 / BF16), "one branch, three passes, no decoder"


def test_devices_that_share_an_image_exchange_its_tokens_and_decode_it_whole() -> None:
    words: dict[str, Any] = {
        "family": "diffusion-image", "model": "flux.1-dev", "batch": 1, "steps": 4, "metric": "latency", "unit": "s",
    }  # fmt: skip
    flux, link = model(**words), A100.scale_up_bytes_per_s or 0.0
    one, four = (row(**words, gpu_count=count, software="xDiT") for count in (1, 4))
    denoised = 4 * (flux.flops + flux.attention_flops)
    assert one.columns["compute"] == pytest.approx((denoised + flux.once_flops) / BF16) and one.columns["exchanged"] == 0.0
    assert four.columns["compute"] == pytest.approx((denoised / 4 + flux.once_flops) / BF16)
    # an all-to-all keeps a quarter and is shared by four
    assert four.columns["exchanged"] == pytest.approx(0.13 * 4 * flux.product_bytes * 3 / 4 / 4 / link)
    ring = row(**words, gpu_count=4, software="xDiT", layout={"ring": 4.0, "ulysses": 1.0})
    assert ring.columns["exchanged"] == pytest.approx(0.13 * 4 * flux.product_bytes * 0.5 * 3 / 4 / link)
    apart = row(**words, gpu_count=4, software="diffusers")
    assert apart.columns["exchanged"] == 0.0 and apart.columns["compute"] == pytest.approx(one.columns["compute"])


def test_a_clip_grows_with_its_latent_frames() -> None:
    words: dict[str, Any] = {
        "family": "video",
        "model": "Wan-AI/Wan2.1-T2V-14B-Diffusers",
        "batch": 1,
        "steps": 1,
        "unit": "videos/s",
    }
    wan = model(**words)
    small = row(**words, resolution="480x832x81f")
    scale = 480 * 832 * 21 / wan.reference_items
    flops = 2 * (wan.flops * scale + wan.attention_flops * scale**2) + wan.once_flops * scale
    assert small.columns["compute"] == pytest.approx(flops / BF16)
    assert row(**words).columns["compute"] == row(**words, resolution="720x1280x81f").columns["compute"]


def test_an_encoder_decoder_reads_its_decoders_weights_for_every_token() -> None:
    words: dict[str, Any] = {
        "family": "seq2seq-transformer",
        "model": "T5-3B",
        "unit": "tokens/s",
        "output_len": 20,
        "input_len": 512,
    }
    t5 = model(**words)
    found, beams = row(**words), row(**words, words={"beams": "4"})
    assert found.columns["compute"] == pytest.approx(8 * (t5.flops + t5.attention_flops) / BF16)
    assert found.columns["decoder_compute"] == pytest.approx(20 * 8 * t5.decoder_flops / BF16)
    assert found.columns["decoder_memory"] == pytest.approx(20 * (2 * t5.decoder_params + 8 * t5.decoder_bytes) / BANDWIDTH)
    assert beams.columns["decoder_memory"] == pytest.approx(20 * (2 * t5.decoder_params + 32 * t5.decoder_bytes) / BANDWIDTH)
    framework = row(**words, software="PyTorch")
    assert framework.columns["depth"] == pytest.approx(t5.kernels + 20 * t5.decoder_kernels)
    assert found.columns["depth"] == pytest.approx(t5.kernels + 20 * t5.decoder_kernels / 4), "an engine fuses them"
    training = row(**words, task="train")
    assert training.columns["decoder_memory"] == 0.0, "teacher forcing: all tokens in one pass"
    assert training.columns["compute"] == pytest.approx(3 * 8 * (t5.flops + t5.attention_flops + 512 * t5.decoder_flops) / BF16)


def test_speech_counts_the_samples_of_its_utterances() -> None:
    words: dict[str, Any] = {"family": "audio-tts", "model": "FastPitch", "words": {"audio_s": "8.0"}}
    assert row(**words, unit="audio-samples/s").offset == pytest.approx(math.log(8 * 8.0 * 22_050))
    assert row(**words, unit="mel-frames/s").offset == pytest.approx(math.log(8 * 8.0 * 22_050 / 256))
    assert row(**words, metric="rtf_x_realtime", unit="x realtime").offset == pytest.approx(math.log(8.0)), "of one utterance"


def test_a_gan_spends_as_much_on_every_octave() -> None:
    words: dict[str, Any] = {
        "family": "gan", "task": "train", "model": "StyleGAN3-T", "batch": 32, "gpu_count": 4, "unit": "s/kimg",
        "metric": "train_time_per_1000_images",
    }  # fmt: skip
    large, small = (row(**words, resolution=f"{side}x{side}") for side in (1024, 256))
    assert small.columns["compute"] == pytest.approx(large.columns["compute"] * 7 / 9)
    assert small.columns["pointwise"] == pytest.approx(large.columns["pointwise"] / 4)
    assert large.offset == pytest.approx(math.log(32 / 1000)), "the batch is of all devices"


LLAMA = resolve_language_model("llama-2-7b")
TRAINING: dict[str, Any] = {
    "family": "llm-train", "task": "train", "model": "llama-2-7b", "batch": 16, "gpu_count": 8, "input_len": 2048,
    "metric": "throughput_tokens", "unit": "tokens/s/GPU", "software": "NeMo 24.07",
}  # fmt: skip


def test_training_a_decoder_by_hand() -> None:
    """Two sequences of 2,048 on each of eight devices, three passes."""
    assert LLAMA is not None
    found = row(**TRAINING)
    flops = (2 * LLAMA.active_params * 2048 + LLAMA.prompt_attention_flops(2048)) * 3 * 2
    moved = 34 * LLAMA.num_layers * LLAMA.hidden_size * 2 * 2048 * 3 + 18 * LLAMA.total_params / 8
    assert found.columns["compute"] == pytest.approx(flops / BF16)
    assert found.columns["memory"] == pytest.approx(moved / BANDWIDTH)
    assert found.columns["depth"] == 12 * LLAMA.num_layers * 3
    assert found.columns["reduced"] == pytest.approx(6 * LLAMA.total_params * 7 / 8 / (A100.scale_up_bytes_per_s or 0))
    assert found.columns["exchanged"] == 0.0
    assert found.offset == pytest.approx(math.log(2 * 2048)), "tokens of one device"


def test_tensor_ranks_and_experts_exchange_activations() -> None:
    assert LLAMA is not None
    link = A100.scale_up_bytes_per_s or 0.0
    found = row(**TRAINING, layout={"tp": 4})
    assert found.columns["exchanged"] == pytest.approx(4 * LLAMA.num_layers * 2 * 2 * 2048 * LLAMA.hidden_size * 2 * 3 / 4 / link)
    mixtral = resolve_language_model("mixtral-8x7b")
    assert mixtral is not None
    experts = row(**{**TRAINING, "model": "mixtral-8x7b"}, layout={"ep": 8})
    moved = 4 * mixtral.num_layers * 2 * 2048 * mixtral.hidden_size * 2 * mixtral.experts_per_token
    assert experts.columns["exchanged"] == pytest.approx(moved / link)


def test_recomputation_adds_a_third_and_adapters_spare_one() -> None:
    plain = row(**TRAINING)
    again = row(**TRAINING, words={"activation_ckpt": "True"})
    assert again.columns["compute"] == pytest.approx(plain.columns["compute"] * 8 / 6)
    assert again.columns["depth"] == pytest.approx(plain.columns["depth"] * 8 / 6)
    lora = row(**{**TRAINING, "family": "llm-finetune", "model": "llama-2-7b lora"})
    assert lora.columns["compute"] == pytest.approx(plain.columns["compute"] * 2 / 3)
    assert lora.groups["work"].startswith("lora|")


@pytest.mark.parametrize(
    ("metric", "unit", "joined"),
    [
        ("throughput_tokens", "tokens/s", 2 * 8 * 2048),
        ("throughput", "sequences/s", 2 * 8),
        ("throughput_per_gpu", "sequences/s/GPU", 2),
        # samples over devices times their items: two sequences each
        ("time_per_epoch", "s", 2 * 8 / 1e6),
        ("time_to_train", "s", 2 * 8 / 1e6),
    ],
)
def test_a_metric_is_joined_to_the_step_by_what_it_counts(metric: str, unit: str, joined: float) -> None:
    assert row(**{**TRAINING, "metric": metric, "unit": unit}).offset == pytest.approx(math.log(joined))


def test_mfu_and_flops_are_of_the_model_without_recomputation() -> None:
    assert LLAMA is not None
    flops = (6 * LLAMA.active_params * 2048 + 3 * LLAMA.prompt_attention_flops(2048)) * 2
    again = {**TRAINING, "words": {"activation_ckpt": "True"}}
    assert row(**{**again, "metric": "mfu", "unit": ""}).offset == pytest.approx(math.log(flops / BF16))
    assert row(**{**again, "metric": "model_tflops_per_gpu", "unit": "TFLOPS"}).offset == pytest.approx(math.log(flops / 1e12))
    default = {**TRAINING, "input_len": None, "metric": "throughput_tokens", "unit": "tokens/s"}
    assert row(**default).offset == pytest.approx(math.log(2 * 8 * 2048))
    tuned = row(**{**default, "family": "llm-finetune"})
    assert tuned.offset == pytest.approx(math.log(2 * 8 * 8192))


def test_energy_of_an_image_is_the_draw_over_its_rate() -> None:
    words: dict[str, Any] = {
        "family": "diffusion-image",
        "model": "stable-diffusion-xl",
        "batch": 2,
        "steps": 4,
        "metric": "energy",
        "unit": "J/image",
    }
    found = row(**words)
    assert found.offset == pytest.approx(math.log(2 / (A100.tdp_w or 0)))
    assert (found.track, found.sign, found.is_rate, found.shapes_constants) == ("diffusion-image.infer.energy", 1.0, False, False)
    assert ASPECTS[int(found.columns["aspect"])] == "energy"
    with pytest.raises(NotPredictable, match="no TDP"):
        row(A100.model_copy(update={"tdp_w": None}), **words)


@pytest.mark.parametrize(
    ("metric", "unit", "aspect", "offset"),
    [
        ("average_power", "W", "power", -math.log(400)),
        ("system_power_avg", "W", "wall", 0.0),
        ("peak_memory", "B", "memory", 0.0),
        ("latency", "s", "time", 0.0),
    ],
)
def test_watts_and_bytes_are_aspects_of_the_same_step(metric: str, unit: str, aspect: str, offset: float) -> None:
    found = row(metric=metric, unit=unit)
    assert ASPECTS[int(found.columns["aspect"])] == aspect and found.offset == pytest.approx(offset)
    assert found.track == f"vision-cnn.infer.{aspect}"
    assert found.groups["arch"].startswith(f"{aspect}|") == (aspect != "time")


def test_a_served_models_wall_power_is_that_of_a_busy_device() -> None:
    found = row(family="llm", model="llama-2-70b", metric="system_power_avg", unit="W", gpu_count=8)
    assert found.columns["host_w"] == pytest.approx(60 + 2 * 110 + 8 * (0.13 * 400 + 45)) and found.columns["devices"] == 8.0
    with pytest.raises(NotPredictable, match="not modelled for llm"):
        row(family="llm", model="llama-2-70b", metric="throughput", unit="tokens/s")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"metric": "accuracy"}, "metric accuracy is not modelled for vision-cnn"),
        ({"metric": "accuracy", "family": ""}, "metric accuracy is not modelled for this family"),
        ({"metric": "mfu"}, "metric mfu is modelled for the training of language models only"),
        ({"family": "poetry"}, "family 'poetry' is not calibrated"),
        ({"model": "unheard-of"}, "model 'unheard-of' is not known in family vision-cnn"),
        ({**TRAINING, "model": "unheard-of"}, "model 'unheard-of' is not known"),
        ({"precision": "int4"}, None),
    ],
)
def test_what_is_not_modelled_says_why(changes: dict[str, Any], reason: str | None) -> None:
    if reason is None:
        with pytest.raises(NotPredictable, match=r"no peak for .* is known of the accelerator"):
            row(A100.model_copy(update={"peak_flops": {}}), **changes)
    else:
        with pytest.raises(NotPredictable) as caught:
            row(**changes)
        assert str(caught.value) == reason


def test_a_power_limit_slows_and_the_clock_follows_from_the_vector_peak() -> None:
    tdp_w = A100.tdp_w or 0.0
    assert row(layout={"power_limit_w": tdp_w / 2}).columns["power_share"] == pytest.approx(0.5)
    assert row(layout={"power_limit_w": tdp_w / 2}).columns["limit_share"] == pytest.approx(0.5)
    assert row(layout={"power_limit_w": 2 * tdp_w}).columns["power_share"] == 1.0
    card = CATALOGUE.accelerator("t4")
    assert row(card, precision="fp16").columns["power_share"] == pytest.approx((card.tdp_w or 0) / 65e12 / (280 / 130e12), rel=0.01)
    assert row(CATALOGUE.accelerator("jetson_agx_orin_64gb"), precision="fp16").columns["power_share"] == 1.0, (
        "laid out for its watts"
    )
    found, peak = row(), A100.peak("fp32") or 0.0
    multiprocessors = A100.num_multiprocessors or 0
    clock = peak / (multiprocessors * 2 * 64 * 1.7e9)
    vector = 8 * RESNET.flops / (multiprocessors * clock * 0.65e12)
    assert found.columns["vector"] == pytest.approx(vector)
    hopper = CATALOGUE.accelerator("h100_sxm_80gb")
    clock = (hopper.peak("fp32") or 0) / ((hopper.num_multiprocessors or 0) * 2 * 128 * 1.7e9)
    vector = 8 * RESNET.flops / ((hopper.num_multiprocessors or 0) * clock * 0.65e12)
    assert row(hopper).columns["vector"] == pytest.approx(vector)
    unknown = A100.model_copy(update={"vendor": "Other", "num_multiprocessors": None, "peak_flops": {"bf16": 1e14, "fp32": 30e12}})
    assert row(unknown).columns["vector"] == pytest.approx(8 * RESNET.flops / (60 * 0.65e12))
    small = A100.model_copy(update={"vendor": "Other", "num_multiprocessors": None, "peak_flops": {"bf16": 1e14, "fp32": 1e12}})
    assert row(small).columns["vector"] == pytest.approx(8 * RESNET.flops / (20 * 0.65e12))
    bare = A100.model_copy(update={"num_multiprocessors": None, "peak_flops": {"bf16": 1e14}})
    assert row(bare).columns["vector"] == pytest.approx(8 * RESNET.flops / (40 * 0.65e12))


@pytest.mark.parametrize(
    ("changes", "family"),
    [
        ({"family": "bert", "model": "bert-large", "task": "train"}, "bert-train"),
        ({"family": "bert", "model": "bert-large"}, "bert"),
        ({"family": "diffusion-image", "model": "stable-diffusion-xl", "software": "diffusers"}, "diffusion-eager"),
        ({"family": "diffusion-image", "model": "stable-diffusion-xl", "software": "TensorRT"}, "diffusion-image"),
        (TRAINING, "llm-train"),
        ({**TRAINING, "software": "PyTorch"}, "llm-train-eager"),
    ],
)
def test_efficiencies_are_those_of_the_family_as_it_runs(changes: dict[str, Any], family: str) -> None:
    assert FAMILIES[int(row(**changes).columns["family"])] == family


def test_groups_name_what_rows_have_in_common() -> None:
    found = row(gpu_count=4, input_len=128, resolution="224x224", layout={"ring": 2.0, "ulysses": 4.0, "cfg_parallel": 8.0}).groups
    assert found["work"] == f"{RESNET.name}|infer|rate|images/s"
    assert found["work_model"].endswith("|infer|rate|images/s")
    assert found["work_engine"] == f"{found['work_model']}|tensorrt"
    assert found["work_format"] == f"{found['work_engine']}|bf16"
    assert found["software"] == f"{found['work_model']}|TensorRT 8"
    assert (found["arch"], found["arch_format"]) == ("vision-cnn|Ampere", "vision-cnn|Ampere|bf16")
    assert found["arch_style"] == "Ampere|bf16|optimised"
    assert found["work_devices"] == f"{found['work_engine']}|some|4x2x8"
    assert found["link"] == "vision-cnn|nvlink|some"
    assert found["step_cell"] == f"{found['work_format']}|2|4|128|224x224|4x2x8"
    assert found["work_load"] == f"{found['work_engine']}|2"
    assert (found["form"], found["step_device"]) == ("vision-cnn|module|", f"vision-cnn|{A100.id}")
    assert row(software="PyTorch", task="train").groups["arch_style"] == "Ampere|bf16|eager"
    assert row(software="PyTorch", task="train").groups["work"].split("|")[1] == "train"
    assert row(gpu_count=9).groups["link"].endswith("many") and row().groups["link"] == "vision-cnn|none|1"
    assert row(CATALOGUE.accelerator("a100_pcie_80gb")).groups["form"] == "vision-cnn|pcie|"


@pytest.mark.parametrize(("value", "width", "bin_"), [(1, 1, "0"), (8, 1, "3"), (8, 1.5, "2"), (0.0, 1, "-10"), (3, 2, "1")])
def test_bins_are_so_many_octaves_wide(value: float, width: float, bin_: str) -> None:
    assert log2_bin(value, width=width) == bin_
