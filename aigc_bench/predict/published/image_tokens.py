"""Tokens that an image adds to a request of a published multimodal model."""

from __future__ import annotations

from collections.abc import Mapping

from aigc_bench.predict.published.name_resolution import bare_name
from aigc_bench.predict.published.row import PublishedQuery

_IMAGE_TOKENS: Mapping[str, float] = {"llava": 576, "phi-3-vision": 757, "gemma-3": 256, "chameleon": 1024, "llama-4": 576}
"""Tokens that one image becomes (published processors: 24 x 24 patches, pooled 16 x 16, four tiles of 144, a 32 x 32 codebook)."""
_OF_OTHERS = 576.0
"""Of other models: CLIP's 24 x 24 patches (assumed)."""


def image_tokens(query: PublishedQuery) -> float:
    """Tokens of the image that a request to a multimodal model holds; none for text alone."""
    if query.family != "multimodal-llm":
        return 0.0
    name = bare_name(query.model)
    return next((tokens for word, tokens in _IMAGE_TOKENS.items() if word in name), _OF_OTHERS)
