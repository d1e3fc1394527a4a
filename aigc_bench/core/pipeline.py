"""Records of the data pipeline: what a case requires, and what a trial found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from aigc_bench.core.record import Measured, Quantity, Record

Modality = Literal["text", "image", "audio", "video"]
Cache = Literal["hot", "cold"]
DEFAULT_WORKERS = 2


class Pipeline(Record):
    """What a case does besides the model: real inputs are read and decoded, products encoded, filtered and signed.

    ``data`` is the user's folder or file and ``sha256`` the hash of what lies there; without it data are generated. ``workers``
    is the number of processes that prepare batches ahead, by default ``DEFAULT_WORKERS`` in training and 0 in inference, where a
    request is prepared when it comes. ``cold`` reads every file from the disk, ``hot`` from the page cache as far as it holds it.
    """

    data: str | None = None
    sha256: str | None = None
    workers: int | None = Field(default=None, ge=0, le=256)
    cache: Cache = "hot"

    def num_workers(self, mode: str) -> int:
        """The processes that prepare batches ahead, for each device."""
        if self.workers is not None:
            return self.workers
        return DEFAULT_WORKERS if mode == "train" else 0

    @property
    def words(self) -> str:
        """Its part of a case's name: ``pipeline``, ``pipeline@1f2e3d4c+cold+workers=4``."""
        name = "pipeline" if self.sha256 is None else f"pipeline@{self.sha256[:8]}"
        # Defaults are left out, so that names of cases stay short.
        return name + ("+cold" if self.cache == "cold" else "") + (f"+workers={self.workers}" if self.workers is not None else "")


class SkippedSample(Record):
    """A sample that could not be used: its name below the data's folder, and why. It may stand for ``count`` of a file's lines."""

    name: str
    reason: str
    count: int = Field(default=1, ge=1)


class DataUse(Measured):
    """What was read of one modality: where from (``None``: generated), how much there is, and what was skipped.

    ``num_samples`` counts the window's. ``skipped`` names the first of ``num_skipped``. ``cached_fraction`` is the share of the
    data in the page cache right before the window; ``None`` where it cannot be determined.
    """

    modality: Modality
    path: str | None
    num_files: int
    num_bytes: int
    num_units: int
    num_samples: int = 0
    num_skipped: int = 0
    skipped: tuple[SkippedSample, ...] = ()
    cached_fraction: Quantity | None = None


class PipelineUse(Measured):
    """The data pipeline in the window: CPU seconds of the host by stage, those of the loader's workers, and what was read.

    ``product_bytes`` is what one step's products weigh once encoded; ``num_unsafe`` counts products that the filter held back.
    """

    num_workers: int
    cache: Cache
    stage_cpu_s: Mapping[str, Quantity] = Field(default_factory=dict)
    workers_cpu_s: Quantity | None = None
    sources: tuple[DataUse, ...] = ()
    product_bytes: int | None = None
    num_unsafe: int = 0
