"""Text encoders of diffusion transformers: which models read the prompt and how their outputs are put together.

Prompts here fill their length, so nothing is masked. Each class maps token ids ``(batch, length)``, one tensor for each
tokenizer, to the denoiser's conditions: ``(context,)`` or ``(context, pooled)`` with ``context`` ``(batch, tokens, dim)`` and
``pooled`` ``(batch, dim)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from transformers import AutoModel

from aigc_bench.core.own_model import WEIGHTS
from aigc_bench.nets.caches import passing_cache
from aigc_bench.nets.components import clip_text, t5_encoder
from aigc_bench.nets.hugging_face import random_model

Conditions = tuple[torch.Tensor, ...]


class T5Text(nn.Module):
    """One T5 or multilingual UMT5 encoder (CogVideoX, Wan, PixArt)."""

    def __init__(self, *, t5: Mapping[str, Any]) -> None:
        super().__init__()
        self.t5 = t5_encoder(t5)

    def forward(self, tokens: torch.Tensor) -> Conditions:
        """Tokens ``[batch, text]`` to ``[batch, text, width]``."""
        return (self.t5(input_ids=tokens).last_hidden_state,)


class StableDiffusion3Text(nn.Module):
    """Two CLIPs side by side, padded to T5's width, before T5's tokens (Esser et al. 2024, arXiv 2403.03206, section 4)."""

    def __init__(self, *, clips: tuple[Mapping[str, Any], ...], t5: Mapping[str, Any]) -> None:
        super().__init__()
        self.clips = nn.ModuleList(clip_text(clip) for clip in clips)
        self.t5 = t5_encoder(t5)

    def forward(self, clip_tokens: torch.Tensor, t5_tokens: torch.Tensor) -> Conditions:
        """Context ``[batch, clip text + t5 text, t5 width]`` and pooled ``[batch, both CLIPs' widths]``."""
        outputs = [clip(input_ids=clip_tokens, output_hidden_states=True) for clip in self.clips]
        clip = torch.cat([output.hidden_states[-2] for output in outputs], dim=-1)
        long = self.t5(input_ids=t5_tokens).last_hidden_state
        # Zeros up to T5's width, then one sequence of both.
        context = torch.cat([F.pad(clip, (0, long.shape[-1] - clip.shape[-1])), long], dim=1)
        return context, torch.cat([output.text_embeds for output in outputs], dim=-1)


class FluxText(nn.Module):
    """T5's tokens, and CLIP's pooled output (github.com/black-forest-labs/flux, flux/modules/conditioner.py)."""

    def __init__(self, *, clips: tuple[Mapping[str, Any], ...], t5: Mapping[str, Any]) -> None:
        super().__init__()
        self.clip = clip_text(clips[0])
        self.t5 = t5_encoder(t5)

    def forward(self, clip_tokens: torch.Tensor, t5_tokens: torch.Tensor) -> Conditions:
        """Context ``[batch, t5 text, width]`` and pooled ``[batch, width]``."""
        return self.t5(input_ids=t5_tokens).last_hidden_state, self.clip(input_ids=clip_tokens).pooler_output


class HunyuanVideoText(nn.Module):
    """A decoder's third-last hidden states behind its instruction, and CLIP's pooled output (arXiv 2412.03603, section 4.4)."""

    def __init__(self, *, llm: Mapping[str, Any], clips: tuple[Mapping[str, Any], ...], instruction_len: int) -> None:
        super().__init__()
        keys = dict(llm)
        weights = keys.pop(WEIGHTS, None)
        self.llm: Any = random_model(AutoModel, keys, attention="auto", weights=weights)
        self.clip = clip_text(clips[0])
        self.instruction_len = instruction_len

    def forward(self, llm_tokens: torch.Tensor, clip_tokens: torch.Tensor) -> Conditions:
        """Context ``[batch, llm text - instruction_len, width]`` and pooled ``[batch, width]``."""
        outputs = self.llm(
            input_ids=llm_tokens, past_key_values=passing_cache(self.llm.config), use_cache=False, output_hidden_states=True
        )
        # The instruction is the same for every prompt and is cut off, as by the pipeline.
        hidden = outputs.hidden_states[-3]
        return hidden[:, self.instruction_len :], self.clip(input_ids=clip_tokens).pooler_output


KINDS: Mapping[str, type[nn.Module]] = {
    "t5": T5Text,
    "sd3": StableDiffusion3Text,
    "flux": FluxText,
    "hunyuan-video": HunyuanVideoText,
}


def make(config: Mapping[str, Any]) -> nn.Module:
    """The encoders of a preset: ``config["kind"]`` names the class, the rest are its models."""
    return KINDS[config["kind"]](**{name: part for name, part in config.items() if name not in ("kind", "lengths")})
