"""Names of models as published tables and hubs spell them, and the presets they mean."""

import pytest

from aigc_bench.core import registry
from aigc_bench.predict.published.preset_names import precision_in, preset_aliases, resolve_preset
from aigc_bench.predict.queries import case_of
from aigc_bench.predict.query import Query

SPELLINGS = {
    "stabilityai/stable-diffusion-xl-base-1.0": "latent_diffusion/sdxl",
    "SDXL-base": "latent_diffusion/sdxl",
    "stabilityai/sdxl-turbo": "latent_diffusion/sdxl-turbo",
    "stable-diffusion-v1-5/stable-diffusion-v1-5": "latent_diffusion/sd-1.5",
    "SD-1.5 (StableDiffusionPipeline)": "latent_diffusion/sd-1.5",
    "SD-1.x": "latent_diffusion/sd-1.5",
    "prompthero/openjourney-v4": "latent_diffusion/sd-1.5",
    "stabilityai/stable-diffusion-2-1": "latent_diffusion/sd-2.1",
    "SD-2.1": "latent_diffusion/sd-2.1",
    "Stable Diffusion v2 (UNet training)": "latent_diffusion/sd-2.1",
    "stabilityai/stable-diffusion-3-medium-diffusers": "diffusion_transformer/sd3-medium",
    "stabilityai/stable-diffusion-3.5-medium": "diffusion_transformer/sd3.5-medium",
    "stabilityai/stable-diffusion-3.5-large": "diffusion_transformer/sd3.5-large",
    "black-forest-labs/FLUX.1-dev": "diffusion_transformer/flux.1-dev",
    "FLUX.1 (11.9B) MLPerf": "diffusion_transformer/flux.1-dev",
    "black-forest-labs/FLUX.1-schnell": "diffusion_transformer/flux.1-schnell",
    "facebook/DiT-XL-2-256": "diffusion_transformer/dit-xl-2-256",
    "PixArt-alpha/PixArt-Sigma-XL-2-1024-MS": "diffusion_transformer/pixart-sigma",
    "zai-org/CogVideoX-2b": "video_diffusion/cogvideox-2b",
    "THUDM/CogVideoX-5b": "video_diffusion/cogvideox-5b",
    "Wan-AI/Wan2.1-T2V-1.3B-Diffusers": "video_diffusion/wan2.1-1.3b",
    "Wan-AI/Wan2.1-T2V-14B": "video_diffusion/wan2.1-14b",
    "hunyuanvideo-community/HunyuanVideo": "video_diffusion/hunyuan-video",
    "ResNet50": "vision/resnet-50",
    "ResNet50-v1.5": "vision/resnet-50",
    "resnet50 on imagenet": "vision/resnet-50",
    "microsoft/resnet-152": "vision/resnet-152",
    "google/vit-base-patch16-224": "vision/vit-b-16",
    "vit-l-16": "vision/vit-l-16",
    "google/vit-huge-patch14-224-in21k": "vision/vit-h-14",
    "caidas/swin2SR-classical-sr-x2-64": "image_enhancement/swin2sr-x2",
    "StyleGAN2": "stylegan/stylegan2-f-1024",
    "DLRM-v2": "recommendation/dlrm-dcnv2",
    "dlrm-dcnv2": "recommendation/dlrm-dcnv2",
    "DLRM": "recommendation/dlrm-criteo-1tb",
    "llama-3.1-8b": "gpt/llama-3.1-8b",
    "meta-llama/Llama-3.1-8B-Instruct": "gpt/llama-3.1-8b",
    "meta-llama/Meta-Llama-3.1-70B": "gpt/llama-3.1-70b",
    "meta-llama/Llama-3.3-70B-Instruct": "gpt/llama-3.1-70b",
    "openai/gpt-oss-120b": "gpt/gpt-oss-120b",
    "Qwen/Qwen3-30B-A3B-Instruct-2507": "gpt/qwen3-30b-a3b",
    "mistralai/Mistral-7B-Instruct-v0.3": "gpt/mistral-7b",
    "mistralai/Mixtral-8x7B-Instruct-v0.1": "gpt/mixtral-8x7b",
    "google/gemma-7b-it": "gpt/gemma-7b",
    "deepseek-ai/DeepSeek-R1": "gpt/deepseek-v3",
    "openai-community/gpt2": "gpt/gpt2-124m",
    "google-bert/bert-base-uncased": "bert/base",
    "meta-llama/Meta-Llama-3-70B-Instruct": "gpt/llama-3.1-70b",
    "meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8": "gpt/llama-4-maverick",
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B": "gpt/qwen2.5-7b",
    "deepseek-ai/DeepSeek-R1-Distill-Llama-70B": "gpt/llama-3.1-70b",
    "deepseek-ai/DeepSeek-V3.2-Exp": "gpt/deepseek-v3.2",
    "deepseek-ai/DeepSeek-V3-0324": "gpt/deepseek-v3",
    "moonshotai/Kimi-K2-Instruct-0905": "gpt/kimi-k2",
    "moonshotai/Kimi-K2.6": "gpt/kimi-k2.5",
    "zai-org/GLM-4.5-Air-FP8": "gpt/glm-4.5-air",
    "zai-org/GLM-4.7": "gpt/glm-4.6",
    "MiniMaxAI/MiniMax-M2.5": "gpt/minimax-m2",
    "Qwen/Qwen3-Next-80B-A3B-Thinking": "gpt/qwen3-next-80b-a3b",
    "Qwen/Qwen3.6-35B-A3B": "gpt/qwen3.5-35b-a3b",
    "Qwen/Qwen3-VL-235B-A22B-Instruct": "gpt/qwen3-235b-a22b",
    "Qwen/Qwen2.5-VL-7B-Instruct": "multimodal/qwen2.5-vl-7b",
    "Qwen/Qwen3-Embedding-0.6B": "gpt/qwen3-embedding-0.6b",
    "Qwen/Qwen2.5-Coder-32B-Instruct-AWQ": "gpt/qwen2.5-32b",
    "google/gemma-3-27b-it-qat-q4_0-gguf": "gpt/gemma-3-27b",
    "mistralai/Magistral-Small-2509": "gpt/mistral-small-24b",
    "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-FP8": "gpt/nemotron-3-nano-30b-a3b",
    "unsloth/Llama-3.2-3B-Instruct-bnb-4bit": "gpt/llama-3.2-3b",
    "BAAI/bge-m3": "bert/bge-m3",
    "BAAI/bge-large-en-v1.5": "bert/large",
    "sentence-transformers/all-MiniLM-L6-v2": "bert/minilm-l6",
    "intfloat/multilingual-e5-large-instruct": "bert/xlm-roberta-large",
}


@pytest.mark.parametrize(("spelling", "preset"), list(SPELLINGS.items()))
def test_a_published_name_means_its_preset(spelling, preset):
    assert resolve_preset(spelling) == preset


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        ("nvidia/Llama-3.3-70B-Instruct-FP4", "fp4"),
        ("nvidia/DeepSeek-R1-0528-NVFP4", "fp4"),
        ("RedHatAI/Qwen3-32B-quantized.w4a16", "int4"),
        ("Qwen/Qwen2.5-7B-Instruct-GPTQ-Int4", "int4"),
        ("Qwen/Qwen2.5-7B-Instruct-GPTQ-Int8", "int8"),
        ("unsloth/Qwen2.5-7B-Instruct-bnb-4bit", "int4"),
        ("TheBloke/Llama-2-7B-GGUF", "int4"),
        ("RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8-dynamic", "fp8"),
        ("meta-llama/Llama-3.1-8B-Instruct", None),
        ("gpt-oss-120b", None),
    ],
)
def test_a_checkpoints_name_states_its_format(name, precision):
    assert precision_in(name) == precision


@pytest.mark.parametrize(
    "name",
    [
        "SD-1.5+ControlNet",
        "kandinsky-community/kandinsky-3",
        "IF stage1",
        "Wan2.2-T2V-A14B",
        "banana",
        "vicuna-13b",
        "deepseek-ai/deepseek-llm-7b-chat",
        "zai-org/GLM-4.6V",
        "gpt-3.5-turbo",
        "acme/Rocket-8B",
    ],
)
def test_a_model_that_is_no_preset_is_not_taken_for_one(name):
    assert resolve_preset(name) is None


def test_every_alias_leads_to_a_preset():
    for _, target in preset_aliases():
        name, _, preset = target.partition("/")
        assert preset in registry.load("workloads", name).presets, target


def test_a_case_can_be_found_by_the_name_on_the_hub():
    case = case_of(Query(what="black-forest-labs/FLUX.1-schnell"))
    assert (case.workload, case.preset) == ("diffusion_transformer", "flux.1-schnell")
    assert case_of(Query(what="diffusion_transformer/flux.1-dev")).preset == "flux.1-dev"
