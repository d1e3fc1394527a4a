"""Hugging Face models from configuration: random weights, nothing fetched, no host synchronisation in the forward pass.

transformers looks at the *values* of masks and positions to decide whether attention can be left to the ``is_causal`` flag,
which blocks the host once a forward pass and cannot be traced on ``meta``. Batches here are never padded nor packed, so the
answer is known: ``unpadded_mask`` and ``caches.UnpaddedLayer`` give it through the library's own extension points.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.nn.utils import parametrize
from transformers import AttentionInterface, AttentionMaskInterface, AutoConfig
from transformers.initialization import no_init_weights
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from aigc_bench.core.records import Attention

_UNPADDED_SDPA = "aigc_bench_unpadded_sdpa"
HALF_PRECISION = ".fp16."
"""In the names of safetensors that are a half-precision twin of others, or alone."""
_OWN_ATTENTION = ("falcon", "deepseek_v32", "glm_moe_dsa", "axk2")
"""Architectures that choose among attention classes of their own, by the library's names only, or that add to a mask (sparse
attention: what an indexer did not choose)."""


def random_model(
    auto_class: Any, config: Mapping[str, Any], *, attention: Attention, weights: str | None = None
) -> torch.nn.Module:
    """The architecture of ``config`` (``model_type`` and its keys) with the library's own random initialisation.

    Weights are drawn once, not first by ``torch.nn`` and then again by transformers, which halves the time to build. Models that
    transformers does not run through scaled-dot-product attention (GPT-J, Gemma 2, gpt-oss with its sinks) get its eager one. With
    ``weights``, a folder of safetensors, they are read from there instead (not on ``meta``, which holds no values).
    """
    keys = dict(config)
    made = AutoConfig.for_model(keys.pop("model_type"), **keys)
    found = auto_class._model_mapping[type(made)]
    model_class = found[0] if isinstance(found, tuple) else found
    if isinstance(found, tuple) and not made.architectures:
        # A type of several classes (DeiT), which the library tells apart by this name alone.
        made.architectures = [model_class.__name__]
    has_choice = made.model_type not in _OWN_ATTENTION and model_class._supports_sdpa
    chosen = unpadded_attention(attention if has_choice else "eager")
    if weights is not None and torch.get_default_device().type != "meta":
        return loaded(auto_class, made, implementation=chosen, folder=weights)
    # from_config draws nothing here, so that init_weights below is the only draw.
    with no_init_weights():
        model: Any = auto_class.from_config(made, attn_implementation=chosen)
    model.init_weights()
    return model  # type: ignore[no-any-return]


def loaded(auto_class: Any, config: Any, *, implementation: str, folder: str) -> torch.nn.Module:
    """The model with the folder's weights; what the folder lacks (a head) is random. Only safetensors, only from this disk."""
    # Without `variant` the library looks for names without ".fp16." only.
    is_half = all(HALF_PRECISION in file.name for file in Path(folder).glob("*.safetensors"))
    model: torch.nn.Module = auto_class.from_pretrained(
        folder,
        config=config,
        attn_implementation=implementation,
        dtype=torch.get_default_dtype(),
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
        variant="fp16" if is_half else None,
    )
    return model


def unpadded_attention(attention: Attention) -> str:
    """The name under which transformers knows the attention of unpadded batches; ``eager`` stays the library's."""
    if attention == "eager":
        return "eager"
    AttentionInterface.register(_UNPADDED_SDPA, sdpa_attention_forward)
    AttentionMaskInterface.register(_UNPADDED_SDPA, unpadded_mask)
    return _UNPADDED_SDPA


def fold_weight_norm(model: Any) -> None:
    """Replace every weight-normalised weight by the plain one it stands for, as is done before a model is deployed.

    The library recomputes it from its length and direction in every forward pass.
    """
    # Without gradients the plain weight would become a buffer.
    with torch.enable_grad():
        for module in model.modules():
            if parametrize.is_parametrized(module, "weight"):
                parametrize.remove_parametrizations(module, "weight")


def checkpoint_activations(model: Any) -> None:
    """Keep only each layer's input in the forward pass and compute the rest again in the backward pass."""
    # The newer name of transformers, then the older. The reentrant kind would give no gradients where the inputs require none.
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable({"use_reentrant": False})


def unpadded_mask(*, q_length: int, **keys: Any) -> torch.Tensor | None:
    """No mask for whole sequences (attention is then causal by flag); one query token masks the unused part of its cache."""
    return None if q_length > 1 else sdpa_mask(q_length=q_length, **keys)
