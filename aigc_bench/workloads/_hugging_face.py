"""What a transformers configuration says about itself, read without importing transformers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aigc_bench.core.own_model import ModelFiles
from aigc_bench.workloads._own_files import heads_of
from aigc_bench.workloads.base import Preset

# The library's naming is the only statement of what a class is for.
_CAUSAL_ENDINGS = ("ForCausalLM", "LMHeadModel")
_ENCODER_ENDINGS = ("ForMaskedLM", "ForPreTraining", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")
_POSITIONS = ("max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len", "seq_length")
_NOT_SHAPE = ("architectures", "use_cache", "auto_map")


def is_causal(files: ModelFiles) -> bool:
    """Whether it is a decoder that predicts the next token; one of an encoder-decoder pair or of several senses is not."""
    if not _is_plain(files):
        return False
    named, source = files.architecture, heads_of(str(files.config["model_type"]))
    # "Model" names the body without a head: then the file shows which heads there are.
    if named is not None and not named.endswith("Model"):
        return named.endswith(_CAUSAL_ENDINGS) and f"class {named}" in source
    return ("ForCausalLM(" in source and "ForMaskedLM(" not in source) or (named or "").endswith("LMHeadModel")


def is_encoder(files: ModelFiles) -> bool:
    """Whether it is an encoder of text with a masked-LM head."""
    if not _is_plain(files):
        return False
    named, source = files.architecture, heads_of(str(files.config["model_type"]))
    has_head = "ForMaskedLM(" in source
    return has_head and (named is None or named.endswith(_ENCODER_ENDINGS) or named.endswith("Model"))


def _is_plain(files: ModelFiles) -> bool:
    config = files.config
    parts = ("text_config", "vision_config", "audio_config", "encoder", "decoder")
    return files.kind == "transformers" and not config.get("is_encoder_decoder") and not any(part in config for part in parts)


def adopted(files: ModelFiles, *, title: str, defaults: Mapping[str, Any], **fixed: Any) -> Preset:
    """The preset of a user's configuration; ``fixed`` are keys that this project decides."""
    config = {key: value for key, value in files.config.items() if key not in _NOT_SHAPE}
    return Preset(
        title=f"{files.architecture or files.config['model_type']}, {title} from a user's file",
        source=str(files.path),
        config={**config, **fixed},
        defaults=defaults,
        # Packed weights fit no layer that is built here; random ones of the same shapes are as fast.
        weights=None if files.weights is None or files.quantization is not None else str(files.weights),
    )


def modelling_module(preset: Preset) -> str:
    """The one module of transformers that holds the preset's model; the text part of a family lives in the family's."""
    model_type = str(preset.config["model_type"]).replace("-", "_").removesuffix("_text")
    return f"transformers.models.{model_type}.modeling_{model_type}"


def position_limit(config: Mapping[str, Any]) -> int | None:
    """The longest sequence that the positions reach, ``None`` where the configuration sets no limit."""
    return next((int(config[key]) for key in _POSITIONS if config.get(key)), None)
