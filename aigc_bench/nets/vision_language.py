"""Vision-language models of transformers behind one convention: images to tokens' embeddings, those and text to logits.

Image sizes are fixed, so what the library works out from them in every pass (positions, windows) is worked out once, on the
host. Image tokens get positions in reading order, also where the model (Qwen2-VL) would give them rows and columns: the work
is the same.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from transformers.vision_utils import get_vision_attention_seqlens, get_vision_position_ids, get_vision_window_index


class LlavaVision(torch.nn.Module):
    """LLaVA's CLIP tower and projector: images ``[batch, 3, side, side]`` to ``[batch, image tokens, width]``."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.stack(list(self.model.get_image_features(pixel_values=images).pooler_output))


class QwenVision(torch.nn.Module):
    """Qwen2-VL's and Qwen2.5-VL's tower and merger: patches ``[batch x patches, values]`` to ``[batch, image tokens, width]``."""

    def __init__(self, model: Any, *, batch_size: int, resolution: int, device: torch.device) -> None:
        super().__init__()
        self.visual = model.visual
        config = self.visual.config
        self.batch_size = batch_size
        side = resolution // config.patch_size
        # (frames, rows, columns) of patches, on the host: the library reads sizes out of it, which would wait for a device.
        self.grid = torch.tensor([[1, side, side]] * batch_size, device="cpu")
        merge = config.spatial_merge_size
        known = {"position_ids": get_vision_position_ids(self.grid, merge).to(device)}
        lengths = {"cu_seqlens": get_vision_attention_seqlens(self.grid, config)[0]}
        if hasattr(config, "window_size"):
            index, lengths["cu_window_seqlens"] = get_vision_window_index(self.grid, merge, config.window_size, config.patch_size)
            known["window_index"] = index.to(device)
        # Lengths of windows stay on the host, where they cut sequences.
        self.known = {**known, **lengths}

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        merged: torch.Tensor = self.visual(patches, grid_thw=self.grid, **self.known).pooler_output
        # All images have one size, so that the joined sequence divides evenly.
        return merged.view(self.batch_size, -1, merged.shape[-1])


class TextDecoder(torch.nn.Module):
    """The language model and its head, called as ``transformers`` calls a causal language model."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.language_model, self.lm_head = model.model.language_model, model.lm_head

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        past_key_values: Any = None,
        use_cache: bool = True,
        logits_to_keep: int = 0,
    ) -> Any:
        """Logits ``[batch, text, vocabulary]``, of the last ``logits_to_keep`` positions only where that is not 0."""
        hidden = self.language_model(
            input_ids=input_ids, inputs_embeds=inputs_embeds, past_key_values=past_key_values, use_cache=use_cache
        ).last_hidden_state
        return SimpleNamespace(logits=self.lm_head(hidden[:, -logits_to_keep:] if logits_to_keep else hidden))


class Tuning(torch.nn.Module):
    """The whole model as it is tuned: images and text to the logits of the text, ``[batch, text, vocabulary]``."""

    def __init__(self, vision: torch.nn.Module, decoder: TextDecoder, *, cache: Any) -> None:
        super().__init__()
        self.vision, self.decoder = vision, decoder
        self._cache = cache

    def forward(self, images: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        embedded = joined(self.vision(images), text, decoder=self.decoder)
        logits: torch.Tensor = self.decoder(inputs_embeds=embedded, past_key_values=self._cache, use_cache=False).logits
        return logits[:, -text.shape[1] :]


def joined(images: torch.Tensor, text: torch.Tensor, *, decoder: TextDecoder) -> torch.Tensor:
    """One image before each text: ``[batch, image tokens + text, width]``."""
    words = decoder.language_model.get_input_embeddings()(text)
    return torch.cat([images.to(words.dtype), words], dim=1)
