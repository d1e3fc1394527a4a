"""A published result: a question and its value. ``published.table`` reads them from a file in the schema of docs/method.md."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import Field

from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Record
from aigc_bench.predict.published.language_models import LanguageModel

COLUMNS = (
    "family", "task", "model", "gpu", "gpu_count", "precision", "software", "batch", "concurrency", "input_len", "output_len",
    "resolution", "steps", "metric", "value", "unit", "power_w",
)  # fmt: skip
"""The documented columns, in order."""


class PublishedQuery(Record):
    """The question of a published row: the work, the machine, and the metric. ``unit`` is canonical (``published_units``).

    ``language`` describes a model whose configuration is there, a user's own or a preset: it decides, and ``model`` only names it.
    Without, the name is all that is known of the model.
    """

    family: str
    task: str = "infer"
    model: str
    gpu: str
    gpu_count: int = Field(default=1, ge=1)
    nodes: float | None = None
    precision: str | None = None
    software: str | None = None
    batch: float | None = None
    concurrency: float | None = None
    input_len: float | None = None
    output_len: float | None = None
    resolution: str | None = None
    steps: float | None = None
    metric: str
    unit: str
    language: LanguageModel | None = None
    layout: Mapping[str, float] = Field(default_factory=dict)
    words: Mapping[str, str] = Field(default_factory=dict)

    @property
    def is_training(self) -> bool:
        """Whether the row measures training."""
        return self.task.startswith("train")


class PublishedRow(Record):
    """One published value with its query. ``value`` is in SI units (``s`` for every time), ``line`` counts from 1."""

    line: int
    query: PublishedQuery
    value: float
    is_primary: bool = True
    run_key: str | None = None


class RefusedRow(Record):
    """One row that cannot be taken as it is written, and why. ``columns`` are those that can be read, others as they stand."""

    line: int
    reason: Sentence
    columns: Mapping[str, str]


def resolution_pixels(text: str | None) -> float | None:
    """``1024x1024`` as 1,048,576 pixels; ``None`` for anything else, such as a video of several frames."""
    sides = re.fullmatch(r"(\d{1,6})x(\d{1,6})", (text or "").lower())
    # A side of 0 is no resolution.
    return float(int(sides[1]) * int(sides[2])) or None if sides else None


FRAMES_A_LATENT = 4
"""Frames that the auto-encoders of CogVideoX, Wan and HunyuanVideo make one latent frame of; the first stays alone."""


def video_latents(text: str | None) -> float | None:
    """``480x832x81f`` as 480 x 832 x 21 latent frames, an image as its pixels; ``None`` for anything else."""
    found = re.fullmatch(r"(\d{1,6}x\d{1,6})x(\d{1,6})f", (text or "").lower())
    pixels = resolution_pixels(found[1] if found else text)
    return pixels * (1 + max(0, int(found[2]) - 1) // FRAMES_A_LATENT) if pixels and found else pixels
