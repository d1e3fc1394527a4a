"""How families other than those of plain text take a transformers configuration: sequences to sequences, speech, images, music."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from aigc_bench.core.messages import message
from aigc_bench.core.own_model import ModelFiles
from aigc_bench.workloads._hugging_face import adopted
from aigc_bench.workloads._own_files import heads_of
from aigc_bench.workloads.base import Preset

_SEQ2SEQ = ("t5", "mt5", "umt5", "bart", "mbart", "marian", "m2m_100", "pegasus", "blenderbot", "blenderbot-small", "plbart")
_CTC = ("wav2vec2", "hubert", "wavlm", "unispeech", "unispeech-sat", "data2vec-audio", "sew", "wav2vec2-conformer")
CTC = "ctc"
"""Key of a preset's configuration that marks an encoder with a head for each frame, which has no decoder."""
_SEEN = ("llava", "qwen2_vl", "qwen2_5_vl")
"""Vision-language types that the ``multimodal`` family runs with their images; others run as their language model alone."""
_TEXT_PARTS = ("_text", "_text_model")
"""The text half of a type with images (CLIP's), which the library defines in the same file."""
_PATCH = 14
_TIED = {"tie_word_embeddings": True}
# Defaults of the library's configurations, which published files leave out where they agree.
_T5_DEFAULTS = {"vocab_size": 32128, "d_model": 512, "d_kv": 64, "num_layers": 6, "num_heads": 8, **_TIED}
_MUSICGEN_T5 = {"vocab_size": 32128, "d_model": 768, "d_kv": 64, "d_ff": 3072, "num_layers": 12, "num_heads": 12}
_TEXT_DEFAULTS = {"vocab_size": 32000, "max_position_embeddings": 4096}
_QWEN_TEXT_DEFAULTS = {"vocab_size": 152064, "max_position_embeddings": 32768}


def _model_type(files: ModelFiles) -> str | None:
    return str(files.config["model_type"]) if files.kind == "transformers" else None


def seq2seq_preset(files: ModelFiles) -> Preset | None:
    """Encoder-decoder language models, ``None`` for others; a T5 whose embeddings are not tied has an output head of its own."""
    model_type, named = _model_type(files), files.architecture or ""
    has_head = named.endswith(("ForConditionalGeneration", "MTModel", "Model", "WithLMHeadModel")) or not named
    if model_type not in _SEQ2SEQ or not has_head:
        return None
    is_t5 = model_type.endswith("t5")
    fixed = _t5_keys(files.config) if is_t5 else {}
    if files.config.get("decoder_start_token_id") is None:
        fixed["decoder_start_token_id"] = files.config.get("pad_token_id") or 0
    # T5's positions are relative, and have no last one.
    limit = None if is_t5 else files.config.get("max_position_embeddings")
    source, target = min(512, limit or 512), min(128, (limit or 128) - 1)
    defaults = {"src_len": source, "tgt_len": target, "max_new_tokens": min(64, target)}
    return adopted(files, title=message("an encoder-decoder"), defaults=defaults, **fixed)


def _t5_keys(config: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a T5 that files leave out where they agree with the library's defaults, and those that follow from them."""
    found = {key: config.get(key, default) for key, default in _T5_DEFAULTS.items()}
    if found["tie_word_embeddings"] is False:
        found["has_own_head"] = True
    if config.get("num_decoder_layers") is None:
        found["num_decoder_layers"] = found["num_layers"]
    return found


def speech_preset(files: ModelFiles, *, frame_rate: int) -> Preset | None:
    """Whisper with its window, and encoders with a head for each frame (wav2vec 2.0, HuBERT); ``None`` for others."""
    model_type, config = _model_type(files), files.config
    if model_type == "whisper":
        known = {"max_source_positions": 1500, "max_target_positions": 448, "num_mel_bins": 80, "vocab_size": 51865}
        fixed = {key: config.get(key) or value for key, value in known.items()}
        tokens = max(1, min(64, fixed["max_target_positions"] - 4))
        defaults = {"audio_s": fixed["max_source_positions"] / frame_rate, "max_new_tokens": tokens, "tgt_len": tokens}
        return adopted(files, title=message("speech recognition"), defaults=defaults, **fixed)
    if model_type in _CTC:
        # A mask over time is drawn with values of the host, in training only.
        return adopted(
            files, title=message("an encoder of speech with a head for each frame"), defaults={"audio_s": 10.0}, **{CTC: True}
        )
    return None


def _num_labels(config: Mapping[str, Any]) -> int:
    """The classes that the head tells apart; those of ImageNet-1k where the file does not state them."""
    labels = config.get("id2label")
    stated = len(labels) if isinstance(labels, Mapping) else config.get("num_labels")
    return stated if isinstance(stated, int) else 1000


def _image_defaults(config: Mapping[str, Any]) -> dict[str, int]:
    """The resolution that the file states, where one is a setting of the family."""
    vision = config.get("vision_config")
    size = (vision if isinstance(vision, Mapping) else config).get("image_size")
    side = size[0] if isinstance(size, list) and size else size
    return {"resolution": side} if isinstance(side, int) and 32 <= side <= 1024 else {}


def image_preset(files: ModelFiles) -> Preset | None:
    """Classifiers of images, and towers without a head (DINOv2, CLIP, SigLIP), which are run without one; ``None`` for others."""
    model_type, named = _model_type(files), files.architecture or ""
    if model_type is None or "ForImageClassification(" not in heads_of(model_type) or model_type.endswith(_TEXT_PARTS):
        return None
    is_classifier = "ForImageClassification" in named
    if named and not is_classifier and not named.endswith(("Model", "ForMaskedImageModeling", "ForPreTraining")):
        return None
    # Which of a type's classifiers it is: DeiT has one with a teacher's head.
    fixed = {"num_labels": _num_labels(files.config), "architectures": [named]} if is_classifier else {"num_labels": 0}
    title = message("an image classifier") if is_classifier else message("an image tower without a head")
    found = adopted(files, title=title, defaults=_image_defaults(files.config), **fixed)
    # Names of classes are thousands of keys, and no part of the shape.
    config = {key: value for key, value in found.config.items() if key not in ("id2label", "label2id")}
    return dataclasses.replace(found, config=config)


def is_seen(files: ModelFiles) -> bool:
    """Whether the ``multimodal`` family runs the model with its images."""
    vision = files.config.get("vision_config")
    if _model_type(files) not in _SEEN or not isinstance(vision, Mapping):
        return False
    strategy = files.config.get("vision_feature_select_strategy", "default")
    return bool(vision.get("patch_size", _PATCH) == _PATCH and strategy == "default")


def vision_language_preset(files: ModelFiles) -> Preset | None:
    """LLaVA and Qwen-VL; keys of the language model that stand at the top are put into its part."""
    if not is_seen(files):
        return None
    config, is_llava = files.config, files.config["model_type"] == "llava"
    text = config.get("text_config")
    inner = dict(text) if isinstance(text, Mapping) else {key: value for key, value in config.items() if key not in _NOT_TEXT}
    if is_llava:
        words = {"model_type": "llama", **_TEXT_DEFAULTS, **inner}
        vision = {"model_type": "clip_vision_model", "image_size": 336, **config["vision_config"]}
        defaults = {"resolution": vision["image_size"]}
    else:
        words, vision, defaults = {**_QWEN_TEXT_DEFAULTS, **inner}, dict(config["vision_config"]), {"resolution": 672}
        words.pop("model_type", None)
    tied = {key: config[key] for key in ("tie_word_embeddings", "image_token_index") if key in config}
    title = message(
        "{architecture}, vision and language from a user's file", architecture=files.architecture or config["model_type"]
    )
    made = {"model_type": config["model_type"], "vision_config": vision, "text_config": words, **tied}
    return Preset(title=title, source=str(files.path), config=made, defaults=defaults)


_NOT_TEXT = (
    "architectures", "model_type", "vision_config", "text_config", "image_token_id", "video_token_id", "vision_token_id",
    "vision_start_token_id", "vision_end_token_id",
)  # fmt: skip


def text_to_speech_preset(files: ModelFiles, *, vocoder: Mapping[str, Any]) -> Preset | None:
    """VITS with the vocoder in it, and SpeechT5 with ``vocoder``, whose configuration its authors publish apart."""
    model_type, named = _model_type(files), files.architecture
    model = {key: value for key, value in files.config.items() if key not in ("model_type", "architectures", "use_cache")}
    if model_type == "vits":
        rate, rates = model.get("sampling_rate") or 16_000, model.get("upsample_rates") or (8, 8, 2, 2)
        parts = {"sampling_rate": rate, "upsample_rates": rates}
        # The deterministic predictor is run; the stochastic one differs in a thousandth of the work.
        model = {key: value for key, value in model.items() if key not in ("use_stochastic_duration_prediction", "layerdrop")}
        model.setdefault("vocab_size", 38)
        config: dict[str, Any] = {"kind": "vits", "vocoder": parts, "model": model}
    elif model_type == "speecht5" and named in (None, "SpeechT5ForTextToSpeech"):
        model.setdefault("vocab_size", 81)
        config = {"kind": "speecht5", "vocoder": vocoder, "model": model}
    else:
        return None
    return Preset(title=message("{name} from a user's file", name=named or model_type), source=str(files.path), config=config)


def music_preset(files: ModelFiles, *, codec: Mapping[str, Any]) -> Preset | None:
    """MusicGen of one configuration with three parts; keys of the codec that this project's decoder takes are its own."""
    if _model_type(files) != "musicgen":
        return None
    text, decoder, audio = (_table(files.config, name) for name in ("text_encoder", "decoder", "audio_encoder"))
    keys = ("vocab_size", "d_model", "d_kv", "d_ff", "num_layers", "num_heads", "feed_forward_proj")
    inner = {**_MUSICGEN_T5, **{key: text[key] for key in keys if key in text}}
    played = {**codec, **{key: audio[key] for key in codec if key in audio}}
    made = {"vocab_size": 2048, "num_codebooks": 4, **{key: value for key, value in decoder.items() if key != "model_type"}}
    config = {"text_encoder": inner, "decoder": made, "audio_decoder": played}
    return Preset(title=message("{name} from a user's file", name="MusicGen"), source=str(files.path), config=config)


def _table(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = config.get(name)
    return found if isinstance(found, Mapping) else {}
