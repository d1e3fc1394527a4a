"""Questions about steps by hand: the work of a step, what joins the metric to its seconds, and which are not answered."""

from __future__ import annotations

import math
from typing import Any

import pytest

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.predict.closed_form.columns import ModelRow, NotPredictable, log2_bin
from aigc_bench.predict.closed_form.step_rows import ENGINES, FAMILIES, resolve_step_model, step_models, step_row
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
    assert found.columns["compute"] == pytest.approx(8 * RESNET.forward_flops / BF16)
    assert found.columns["memory"] == pytest.approx((8 * RESNET.activation_bytes + 2 * RESNET.params) / BANDWIDTH)
    assert found.columns["depth"] == RESNET.depth
    assert (found.columns["reduced"], found.columns["exchanged"], found.columns["power_share"]) == (0.0, 0.0, 1.0)
    assert found.columns["bandwidth"] == BANDWIDTH
    assert FAMILIES[int(found.columns["family"])] == "vision-cnn" and ENGINES[int(found.columns["engine"])] == "tensorrt"
    assert (found.form, found.track, found.is_rate, found.sign) == ("step", "vision-cnn.infer.rate", True, -1.0)
    assert found.offset == pytest.approx(math.log(8)) and found.accelerator == A100.id and found.caution == ()
    assert found.value(math.log(0.5)) == pytest.approx(16.0), "8 images in half a second"
    assert found.log_quantity(16.0) == pytest.approx(math.log(0.5))


def test_training_takes_three_passes_and_reduces_gradients_over_its_devices() -> None:
    one, four = (row(task="train", gpu_count=count, software="PyTorch") for count in (1, 4))
    assert one.columns["compute"] == pytest.approx(3 * 8 * RESNET.forward_flops / BF16)
    assert one.columns["memory"] == pytest.approx((3 * 8 * RESNET.activation_bytes + 22 * RESNET.params) / BANDWIDTH)
    assert one.columns["depth"] == 3 * RESNET.depth
    assert one.columns["reduced"] == 0.0
    link = A100.scale_up_bytes_per_s or 0.0
    assert four.columns["reduced"] == pytest.approx(2 * RESNET.params * 2 * 3 / 4 / link)
    assert four.offset == pytest.approx(math.log(8 * 4)) and one.track == "vision-cnn.train.rate"
    assert row(gpu_count=4).columns["reduced"] == 0.0, "inference reduces nothing"


@pytest.mark.parametrize(
    ("precision", "width", "param_bytes"), [("int8", 0.6, 1.0), ("fp8", 0.6, 1.0), ("fp32", 2.0, 4.0), ("amp", 1.0, 2.0)]
)
def test_activations_and_parameters_are_as_wide_as_the_format(precision: str, width: float, param_bytes: float) -> None:
    peaks = {"fp32": 1e12, "bf16": 2e12, "fp16": 2e12, "int8": 4e12, "fp8": 4e12}
    spec = A100.model_copy(update={"peak_flops": peaks})
    found = row(spec, precision=precision)
    moved = 8 * RESNET.activation_bytes * width + RESNET.params * param_bytes
    assert found.columns["memory"] == pytest.approx(moved / spec.memory_bandwidth_bytes_per_s)


def test_single_precision_runs_as_tf32_where_the_device_has_it() -> None:
    assert row(precision="fp32").columns["compute"] == pytest.approx(8 * RESNET.forward_flops / (A100.peak("tf32") or 0))
    bare = A100.model_copy(update={"peak_flops": {"fp32": 1e12}})
    assert row(bare, precision="fp32").columns["compute"] == pytest.approx(8 * RESNET.forward_flops / 1e12)


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
    assert found.columns["compute"] == pytest.approx(passes * per_device * RESNET.forward_flops / BF16)
    assert found.caution == (() if changes.get("batch") else ("batch_assumed",))


def test_text_adds_attention_that_grows_with_the_square_of_its_length() -> None:
    """BERT large: 24 layers of 1,024."""
    short, long = (row(family="bert", model="bert-large", input_len=length, unit="sequences/s") for length in (128, 256))
    model = resolve_step_model(query(family="bert", model="bert-large"))
    assert model is not None
    for found, length in ((short, 128), (long, 256)):
        flops = model.forward_flops * length + 4 * 24 * length**2 * 1024
        moved = model.activation_bytes * length + 24 * 16 * length**2 * 10
        assert found.columns["compute"] == pytest.approx(8 * flops / BF16)
        assert found.columns["memory"] == pytest.approx((8 * moved + 2 * model.params) / BANDWIDTH)
    assert row(family="bert", model="bert-large", unit="sequences/s").columns["compute"] > 0
    base = resolve_step_model(
        PublishedQuery(family="bert", model="bert", gpu="x", metric="throughput", unit="1/s", words={"size": "base"})
    )
    assert base is not None and base.name == "bert-base"


def test_a_denoiser_is_called_for_every_step_and_branch_and_grows_with_the_pixels() -> None:
    words: dict[str, Any] = {"family": "diffusion-image", "model": "stable-diffusion-xl", "batch": 1}
    model = resolve_step_model(query(**words))
    assert model is not None
    side = math.isqrt(int(model.reference_items))
    once, often = (row(**words, steps=steps, resolution=f"{side}x{side}") for steps in (1, 30))
    assert once.columns["compute"] == pytest.approx(2 * model.forward_flops / BF16, rel=1e-6)
    assert often.columns["compute"] == pytest.approx(30 * once.columns["compute"])
    assert often.columns["depth"] == pytest.approx(30 * model.depth)
    assert often.columns["memory"] == pytest.approx(30 * once.columns["memory"])
    wide = row(**words, steps=1, resolution=f"{2 * side}x{side}")
    assert wide.columns["compute"] == pytest.approx(2 * 2**0.15 * once.columns["compute"])
    small = row(**words, steps=1, resolution=f"{side // 2}x{side}")
    assert small.columns["compute"] == pytest.approx(0.5 * once.columns["compute"])
    rate = row(**words, steps=30, resolution=f"{side}x{side}", metric="denoise_iterations", unit="it/s")
    assert rate.columns["compute"] == pytest.approx(once.columns["compute"]) and rate.offset == 0.0
    training = row(**words, steps=30, resolution=f"{side}x{side}", task="train")
    assert training.columns["compute"] == pytest.approx(3 * model.forward_flops / BF16), "one branch, three passes"


def test_devices_that_share_an_image_exchange_a_tenth_of_its_activations() -> None:
    words: dict[str, Any] = {
        "family": "diffusion-image",
        "model": "flux.1-dev",
        "batch": 1,
        "steps": 4,
        "metric": "latency",
        "unit": "s",
    }
    one, four = (row(**words, gpu_count=count, software="xDiT") for count in (1, 4))
    assert four.columns["compute"] == pytest.approx(one.columns["compute"] / 4)
    assert one.columns["exchanged"] == 0.0 and four.columns["exchanged"] > 0
    apart = row(**words, gpu_count=4, software="diffusers")
    assert apart.columns["exchanged"] == 0.0 and apart.columns["compute"] == pytest.approx(one.columns["compute"])


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
        ("time_per_epoch", "s", 8 / 1e6),
        ("time_to_train", "s", 8 / 1e6),
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


def test_energy_of_an_image_is_the_tdp_over_its_rate() -> None:
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
    with pytest.raises(NotPredictable, match="no TDP"):
        row(A100.model_copy(update={"tdp_w": None}), **words)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"family": "seq2seq-rnn", "model": "gnmt"}, "recurrent decoding is not modelled"),
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
    assert row(layout={"power_limit_w": 2 * tdp_w}).columns["power_share"] == 1.0
    found, peak = row(), A100.peak("fp32") or 0.0
    multiprocessors = A100.num_multiprocessors or 0
    clock = peak / (multiprocessors * 2 * 64 * 1.7e9)
    vector = 8 * RESNET.forward_flops / (multiprocessors * clock * 0.65e12)
    assert found.columns["vector"] == pytest.approx(vector)
    hopper = CATALOGUE.accelerator("h100_sxm_80gb")
    clock = (hopper.peak("fp32") or 0) / ((hopper.num_multiprocessors or 0) * 2 * 128 * 1.7e9)
    vector = 8 * RESNET.forward_flops / ((hopper.num_multiprocessors or 0) * clock * 0.65e12)
    assert row(hopper).columns["vector"] == pytest.approx(vector)
    unknown = A100.model_copy(update={"vendor": "Other", "num_multiprocessors": None, "peak_flops": {"bf16": 1e14, "fp32": 30e12}})
    assert row(unknown).columns["vector"] == pytest.approx(8 * RESNET.forward_flops / (60 * 0.65e12))
    small = A100.model_copy(update={"vendor": "Other", "num_multiprocessors": None, "peak_flops": {"bf16": 1e14, "fp32": 1e12}})
    assert row(small).columns["vector"] == pytest.approx(8 * RESNET.forward_flops / (20 * 0.65e12))
    bare = A100.model_copy(update={"num_multiprocessors": None, "peak_flops": {"bf16": 1e14}})
    assert row(bare).columns["vector"] == pytest.approx(8 * RESNET.forward_flops / (40 * 0.65e12))


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
    assert (found["form"], found["step_device"]) == ("vision-cnn|module", f"vision-cnn|{A100.id}")
    assert row(software="PyTorch", task="train").groups["arch_style"] == "Ampere|bf16|eager"
    assert row(software="PyTorch", task="train").groups["work"].split("|")[1] == "train"
    assert row(gpu_count=9).groups["link"].endswith("many") and row().groups["link"] == "vision-cnn|none|1"
    assert row(CATALOGUE.accelerator("a100_pcie_80gb")).groups["form"] == "vision-cnn|pcie"


@pytest.mark.parametrize(("value", "width", "bin_"), [(1, 1, "0"), (8, 1, "3"), (8, 1.5, "2"), (0.0, 1, "-10"), (3, 2, "1")])
def test_bins_are_so_many_octaves_wide(value: float, width: float, bin_: str) -> None:
    assert log2_bin(value, width=width) == bin_
