"""Models of the user's own: config.json, pipelines' folders, tokenizers beside them, headers of safetensors."""

from __future__ import annotations

import functools
import json
import random
import struct
from pathlib import Path
from typing import Any

from tests import own_models
from tests.core import gguf_files
from tests.fuzz import raw, trees, written
from tests.fuzz.kinds import Kind
from tests.fuzz.outcome import Files
from tests.fuzz.values import Pairs

FOLDER = "model"
CONFIG, INDEX, WEIGHTS = f"{FOLDER}/config.json", f"{FOLDER}/model_index.json", f"{FOLDER}/model.safetensors"
_TOKENIZER = {"version": "1.0", "model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []}, "added_tokens": []}


@functools.cache
def configs() -> tuple[Any, ...]:
    """Trees of configurations of single models, small ones too."""
    small = [{**own_models.CONFIGS[name], **changes} for name, changes in own_models.SHRUNK.items()]
    return tuple(map(trees.tree_of, (*own_models.CONFIGS.values(), *small)))


@functools.cache
def folders() -> tuple[dict[str, Any], ...]:
    """Trees of the files of each pipeline's folder."""
    found = []
    for name, (_, _, parts) in own_models.pipelines().items():
        index = {part: ["diffusers" if "_class_name" in config else "transformers", "Any"] for part, config in parts.items()}
        files = {INDEX: {"_class_name": name, "_diffusers_version": "0.30.0", **index}}
        files |= {f"{FOLDER}/{part}/config.json": dict(config) for part, config in parts.items()}
        found.append({file: trees.tree_of(json.loads(json.dumps(content))) for file, content in files.items()})
    return tuple(found)


def make_config(draw: random.Random) -> Files:
    """A changed config.json, sometimes beside a tokenizer or weights that are no safetensors."""
    tree = trees.changed(draw.choice(configs()), others=configs(), draw=draw, dialect="json")
    files = {CONFIG: written.as_json(tree)}
    if draw.random() < 0.12:
        files[CONFIG] = raw.broken(files[CONFIG], draw=draw, other=written.as_json(draw.choice(configs())))
    if draw.random() < 0.2:
        tokenizer = trees.changed(trees.tree_of(_TOKENIZER), others=configs(), draw=draw, dialect="json")
        files[f"{FOLDER}/tokenizer.json"] = written.as_json(tokenizer)
        files[f"{FOLDER}/tokenizer_config.json"] = written.as_json(Pairs([("auto_map", Pairs([("x", "os:abort")]))]))
    if draw.random() < 0.05:
        files[f"{FOLDER}/{draw.choice(('pytorch_model.bin', 'model.PT', 'x.ckpt'))}"] = b"\x80\x04."
    return files


def make_pipeline(draw: random.Random) -> Files:
    """A pipeline's folder in which one or two files are changed, exchanged or gone."""
    files = dict(draw.choice(folders()))
    lent = [tree for folder in folders() for tree in folder.values()]
    for _ in range(draw.choice((1, 1, 2))):
        name = draw.choice(list(files))
        files[name] = trees.changed(files[name], others=lent, draw=draw, dialect="json")
    made = {name: written.as_json(tree) for name, tree in files.items()}
    if draw.random() < 0.12:
        name = draw.choice(list(made))
        made[name] = raw.broken(made[name], draw=draw, other=made[draw.choice(list(made))])
    if draw.random() < 0.08:
        del made[draw.choice(list(made))]
    return made


def make_safetensors(draw: random.Random) -> Files:
    """A sound config.json beside weights whose header, its length or its bytes are changed."""
    tensors = {f"layer.{n}.weight": {"dtype": "BF16", "shape": [4, 8], "data_offsets": [64 * n, 64 * n + 64]} for n in range(3)}
    tree = trees.tree_of({"__metadata__": {"format": "pt"}, **tensors})
    if draw.random() < 0.85:
        tree = trees.changed(tree, others=(tree, *configs()), draw=draw, dialect="json")
    text = written.as_json(tree)
    length = (
        len(text) if draw.random() < 0.8 else draw.choice((0, 1, 2, len(text) - 1, len(text) + 1, 10**8, 2**40, 2**63, 2**64 - 1))
    )
    content = struct.pack("<Q", length) + text + bytes(192)
    if draw.random() < 0.3:
        content = raw.broken(content, draw=draw)
    name = draw.choice((WEIGHTS, f"{FOLDER}/model-00001-of-00002.safetensors", f"{FOLDER}/model.fp16.safetensors"))
    return {CONFIG: written.as_json(draw.choice(configs()[:3])), name: content}


_PARAMS = {
    "dim": 128, "n_layers": 2, "head_dim": 32, "hidden_dim": 256, "n_heads": 4, "n_kv_heads": 2, "norm_eps": 1e-5,
    "vocab_size": 320,    "moe": {"num_experts": 4, "num_experts_per_tok": 2}, "ffn_dim_multiplier": 1.3, "multiple_of": 64,
}  # fmt: skip
_ADAPTER = {"base_model_name_or_path": "somebody/elses", "peft_type": "LORA", "r": 16, "target_modules": ["q_proj"]}
_MODELOPT = {
    "producer": {"name": "modelopt"},
    "quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8", "group_size": 16},
}


def make_other(draw: random.Random) -> Files:
    """What lies in a folder instead of a config.json, or next to it: params.json, an adapter, ModelOpt's file, a GGUF header."""
    name, content = draw.choice(
        (("params.json", _PARAMS), ("adapter_config.json", _ADAPTER), ("hf_quant_config.json", _MODELOPT), ("model.gguf", None))
    )
    if content is None:
        metadata = dict(gguf_files.LLAMA_8B)
        for key in draw.sample(sorted(metadata), 2):
            metadata[key] = draw.choice((0, 1, 2**31, 2**32 - 1, 0.5, float("nan"), float("inf"), "", "llama", [1, 2], [], True))
        whole = gguf_files.gguf(metadata)
        return {f"{FOLDER}/{name}": raw.broken(whole, draw=draw) if draw.random() < 0.5 else whole}
    tree = trees.changed(trees.tree_of(content), others=configs(), draw=draw, dialect="json")
    made = {f"{FOLDER}/{name}": written.as_json(tree)}
    if name == "hf_quant_config.json":
        made[CONFIG] = written.as_json(draw.choice(configs()[:3]))
    return made


def read(folder: Path) -> None:
    """Read the model and make its cases, as ``run --model`` does before it starts."""
    from aigc_bench.core.records import dump
    from aigc_bench.measure.own_profile import OwnCases, profile_of

    cases = OwnCases(
        modes=("infer", "train"), batch_sizes=(1,), engines=("torch-eager",), precision=None, settings={}, changes=None
    )
    profile = profile_of(folder / FOLDER, cases, system=_machine())
    json.dumps([dump(case) for case in profile.cases], allow_nan=False)
    assert profile.hash and all(case.id for case in profile.cases), "what names them"


@functools.cache
def _machine() -> Any:
    from aigc_bench.measure.fingerprint import fingerprint

    return fingerprint()


def _prepare() -> None:
    from aigc_bench.core import registry

    _machine(), configs(), folders()
    for name in registry.names("workloads"):
        registry.load("workloads", name)


_COMMANDS: tuple[tuple[str, ...], ...] = (
    ("run", "--model", "{}/model", "--dry-run"),
    ("predict", "--model", "{}/model", "-a", "h100"),
)
KINDS = (
    Kind(name="model", title="config.json of a model", make=make_config, read=read, prepare=_prepare, commands=_COMMANDS),
    Kind(
        name="other-model",
        title="GGUF, params.json, adapters, ModelOpt",
        make=make_other,
        read=read,
        prepare=_prepare,
        commands=_COMMANDS,
    ),
    Kind(name="pipeline", title="folders of pipelines", make=make_pipeline, read=read, prepare=_prepare, commands=_COMMANDS),
    Kind(
        name="safetensors",
        title="headers of safetensors",
        make=make_safetensors,
        read=read,
        prepare=_prepare,
        commands=_COMMANDS[:1],
    ),
)
