"""The language model of a case: described from its configuration, a preset's and a user's own alike.

Published results know models by name. A description with the sizes of a published model takes that name, so that what was learned
from its results holds for it, whatever the folder is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from aigc_bench.core import registry
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, OwnModel
from aigc_bench.predict.engines import SERVED
from aigc_bench.predict.language.describe import describe
from aigc_bench.predict.language.packing import packing_of
from aigc_bench.predict.published.language_models import LanguageModel
from aigc_bench.predict.published.name_resolution import language_models, resolve_language_model
from aigc_bench.workloads._own_files import files_of

_DECODERS, _ENCODERS, _SEEING = ("gpt",), ("bert",), ("multimodal",)
"""Families whose presets are language models of transformers: generating, encoding, and generating about images."""
_SAME_VOCABULARY = 0.1
"""Relative difference of vocabularies up to which models of the same sizes are the same model, fine-tuned with further tokens."""


def language_of(case: Case) -> LanguageModel | None:
    """Return the description of a case's language model; ``None`` for every other family, and for one made by a function.

    Of a model that sees it is the language model alone, where an engine serves it.
    """
    if case.workload in _SEEING and case.engine not in SERVED:
        return None
    return language_model(case.workload, case.preset, model=case.model)


def served_language(case: Case) -> LanguageModel:
    """Return the description of a case that a serving engine generates with; raises ``UsageError`` where it serves none such."""
    model = language_of(case) if case.mode == "infer" else None
    if model is None:
        raise UsageError(
            message(
                "{workload}/{preset}: {engine} serves language models only.",
                workload=case.workload,
                preset=case.preset,
                engine=case.engine,
            ),
            message("Use --engine torch-eager or torch-compile."),
        )
    return model


def is_encoder(case: Case) -> bool:
    """Return whether a case encodes texts: it has one pass and generates nothing."""
    return case.mode == "infer" and case.workload in _ENCODERS


def is_seeing(case: Case) -> bool:
    """Return whether a case generates text about images, whose own work a serving engine's prediction does not have."""
    return case.workload in _SEEING


def language_model(workload: str, preset: str, *, model: OwnModel | None = None) -> LanguageModel | None:
    """Return the description of a family's preset or of the user's own model; ``None`` where it is no language model.

    A name that is no preset but stands in the table of published models is answered from there. Raises ``UsageError`` where the
    configuration lacks a size.
    """
    if workload not in (*_DECODERS, *_ENCODERS, *_SEEING) or (model is not None and model.is_code):
        return None
    family = registry.load("workloads", workload)
    if model is None and preset not in family.presets:
        return resolve_language_model(preset) if workload in _DECODERS else None
    if model is None:
        return _of_preset(workload, preset)
    config = family.preset(Case(workload=workload, preset=preset, mode="infer", model=model)).config
    found, quantization = described(config, is_encoder=workload in _ENCODERS), files_of(model).quantization
    packing = None if quantization is None else packing_of(config, quantization, model=found)
    return found if packing is None else found.model_copy(update={"packing": packing})


# A plan asks for the description of its loads thousands of times, and presets do not change while it is made.
@lru_cache(maxsize=64)
def _of_preset(workload: str, preset: str) -> LanguageModel:
    config = registry.load("workloads", workload).preset(Case(workload=workload, preset=preset, mode="infer")).config
    return described(config, is_encoder=workload in _ENCODERS)


def described(config: Mapping[str, Any], *, is_encoder: bool = False) -> LanguageModel:
    """Return the description under the name of the published model with its sizes, under its type's where there is none."""
    found = describe(config, is_encoder=is_encoder)
    twin = None if found.is_encoder else published_twin(found)
    return found if twin is None else found.model_copy(update={"name": twin})


def published_twin(model: LanguageModel) -> str | None:
    """Return the name of the published model with the same sizes, that with the nearest vocabulary where there are several."""
    sizes = _sizes(model)
    near = [
        (abs(other.vocab_size / model.vocab_size - 1), name) for name, other in language_models().items() if _sizes(other) == sizes
    ]
    distance, name = min(near, default=(1.0, ""))
    return name if distance <= _SAME_VOCABULARY else None


def _sizes(model: LanguageModel) -> tuple[int, ...]:
    """What makes two models the same to an engine's kernels."""
    return (
        model.num_layers,
        model.hidden_size,
        # A width that no layer uses is stated by some files and left out by others.
        0 if model.num_experts else model.ffn_size,
        model.num_heads,
        model.num_kv_heads,
        model.head_dim,
        model.num_experts,
        model.experts_per_token,
        model.expert_ffn_size,
        model.ffn_matrices,
        model.kv_lora_rank,
        model.num_kv_layers,
    )
