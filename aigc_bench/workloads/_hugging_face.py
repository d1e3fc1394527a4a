"""What a transformers configuration says about itself, read without importing transformers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.own_model import ModelFiles
from aigc_bench.core.records import Case
from aigc_bench.workloads._own_files import heads_of, is_transformers_type, module_of
from aigc_bench.workloads.base import Preset

# The library's naming is the only statement of what a class is for.
_CAUSAL_ENDINGS = ("forcausallm", "lmheadmodel")
_HEADED_ENDINGS = ("forsequenceclassification", "fortokenclassification")
"""A decoder with another head (rerankers, reward models): it costs what reading a prompt costs."""
_ENCODER_ENDINGS = (
    "ForMaskedLM", "ForPreTraining", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering",
    "ForTextEncoding",
)  # fmt: skip
_POSITIONS = ("max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len", "seq_length")
_NOT_SHAPE = ("architectures", "use_cache", "auto_map")
_TEXTS = ("text_config", "llm_config", "language_config")
_OTHER_SENSES = ("vision_config", "audio_config", "encoder", "decoder")
_FLAT = ("qwen2_vl", "qwen2_5_vl")
"""Multimodal types that were published with the language model's keys at the top."""
_SAME_AS: Mapping[str, str] = MappingProxyType({"kimi_k2": "deepseek_v3", "internlm3": "llama", "falcon3": "llama"})
"""Types of a repository's own that are another type's class, by its published ``architectures``."""
OFFSET_POSITIONS = ("roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "roberta-prelayernorm", "data2vec-text", "xmod")
"""Positions begin behind the padding token's id (fairseq), so that the last of the table are two fewer than it has."""


def language_part(files: ModelFiles) -> ModelFiles:
    """The files with the configuration of the language model alone: of a multimodal model its ``text_config`` or how it names that.

    Weights are those of the whole model and no longer named.
    """
    config = files.config
    if files.kind != "transformers":
        return files
    model_type = str(config["model_type"])
    if model_type in _SAME_AS and not is_transformers_type(model_type):
        return dataclasses.replace(files, config={**config, "model_type": _SAME_AS[model_type]})
    # The thinker of a model that speaks holds the language model (Qwen-Omni).
    thinker = config.get("thinker_config")
    whole = thinker if isinstance(thinker, Mapping) else config
    text = next((whole[key] for key in _TEXTS if isinstance(whole.get(key), Mapping)), None)
    if isinstance(text, Mapping):
        inner = {"model_type": _text_type(model_type), **text}
    elif model_type in _FLAT:
        inner = {**{key: value for key, value in config.items() if key not in _OTHER_SENSES}, "model_type": f"{model_type}_text"}
    else:
        return files
    inner["model_type"] = _SAME_PART.get(inner["model_type"], inner["model_type"])
    # A table of its own for the tied embeddings is that of the whole in most published files.
    tied = {"tie_word_embeddings": config["tie_word_embeddings"]} if "tie_word_embeddings" in config else {}
    return dataclasses.replace(files, config={**tied, **inner, "architectures": []}, weights=None)


_SAME_PART: Mapping[str, str] = MappingProxyType({"qwen2_5_omni_text": "qwen2_5_vl_text"})
"""Language parts that the library offers under another type's name only."""


def _text_type(model_type: str) -> str:
    """The type of a language part that does not state it, as the library names those."""
    return "llama" if model_type.startswith(("llava", "vipllava", "idefics3", "smolvlm")) else f"{model_type}_text"


def is_causal(files: ModelFiles) -> bool:
    """Whether it is a decoder that predicts the next token; one of an encoder-decoder pair or of several senses is not."""
    if not _is_plain(files):
        return False
    named, source = files.architecture, heads_of(str(files.config["model_type"]))
    has_head, is_bidirectional = "ForCausalLM(" in source, "ForMaskedLM(" in source
    # "Model" names the body without a head: then the file shows which heads there are.
    if named is not None and not named.endswith("Model"):
        # Some were published before the library took them over, in other capitals (MPTForCausalLM).
        lowered, is_defined = named.lower(), f"class {named.lower()}" in source.lower()
        is_headed = has_head and not is_bidirectional and lowered.endswith(_HEADED_ENDINGS)
        return is_defined and (lowered.endswith(_CAUSAL_ENDINGS) or is_headed)
    return (has_head and not is_bidirectional) or (named or "").endswith("LMHeadModel") or _is_language_part(files, source)


def _is_language_part(files: ModelFiles, source: str) -> bool:
    """Whether the type is the language model of a multimodal one, which the library defines without a head of its own."""
    model_type = str(files.config["model_type"])
    return model_type.endswith("_text") and ("ForConditionalGeneration(" in source or "ForCausalLM(" in source)


def is_encoder(files: ModelFiles) -> bool:
    """Whether it is an encoder of text with a masked-LM head."""
    if not _is_plain(files):
        return False
    named, source = files.architecture, heads_of(str(files.config["model_type"]))
    has_head = "ForMaskedLM(" in source
    return has_head and (named is None or named.endswith(_ENCODER_ENDINGS) or named.endswith("Model"))


def _is_plain(files: ModelFiles) -> bool:
    config = files.config
    parts = (*_TEXTS, *_OTHER_SENSES)
    return files.kind == "transformers" and not config.get("is_encoder_decoder") and not any(part in config for part in parts)


def adopted(files: ModelFiles, *, title: str, defaults: Mapping[str, Any], **fixed: Any) -> Preset:
    """The preset of a user's configuration; ``fixed`` are keys that this project decides."""
    config = {key: value for key, value in files.config.items() if key not in _NOT_SHAPE}
    return Preset(
        title=message("{name}, {title} from a user's file", name=files.architecture or files.config["model_type"], title=title),
        source=str(files.path),
        config={**config, **fixed},
        defaults=defaults,
        # Packed weights fit no layer that is built here; random ones of the same shapes are as fast.
        weights=None if files.weights is None or files.quantization is not None else str(files.weights),
    )


def modelling_module(preset: Preset) -> str:
    """The one module of transformers that holds the preset's model; the text part of a family lives in the family's."""
    model_type = str(preset.config["model_type"])
    name = module_of(model_type) or model_type.replace("-", "_")
    return f"transformers.models.{name}.modeling_{name}"


def refuse_beyond_positions(case: Case, num_tokens: int, *, limit: int | None, keys: str) -> None:
    """Raise ``UsageError`` where the sequence that the settings ``keys`` make is longer than the model's positions reach."""
    if limit is not None and num_tokens > limit:
        raise UsageError(
            message(
                "{workload}/{preset}: {keys} = {num_tokens} exceeds the model's {limit} positions.",
                workload=case.workload,
                preset=case.preset,
                keys=keys,
                num_tokens=num_tokens,
                limit=limit,
            )
        )


def position_limit(config: Mapping[str, Any]) -> int | None:
    """The longest sequence that the positions reach, ``None`` where the configuration sets no limit."""
    found = next((int(config[key]) for key in _POSITIONS if config.get(key)), None)
    return None if found is None else found - first_position(config)


def first_position(config: Mapping[str, Any]) -> int:
    """The position of the first token in the table: 0, or for RoBERTa and its like the one behind the padding token's."""
    if config.get("model_type") not in OFFSET_POSITIONS:
        return 0
    pad = config.get("padding_token", 1)
    return 1 + (pad if isinstance(pad, int) else 1)
