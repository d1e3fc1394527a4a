"""Candidates: one row for every configuration that can run one load, over all accelerators, as columns.

A candidate is an accelerator, an engine, a number format, ranks of tensor or data parallelism, a batch (requests in flight, images
or sequences per step) and a power limit. Its rates are of one replica; memory and watts are of one of its accelerators.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aigc_bench.core.identity import Same
from aigc_bench.core.messages import message
from aigc_bench.core.units import memory, quantity
from aigc_bench.plan.records.demand import Slo
from aigc_bench.plan.site.power_cap import Work, cap_curve
from aigc_bench.predict.fitting.effects import Floats

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue
    from aigc_bench.catalog.records import AcceleratorSpec


SHARES = (0.85, 0.7)
# Share of the limit, throughput and draw over those at the default limit.
UNCAPPED = (1.0, 1.0, 1.0)


def power_caps(spec: AcceleratorSpec, *, work: Work, catalogue: Catalogue) -> tuple[tuple[float, float, float], ...]:
    """Return ``(share of the default limit, throughput, draw)``: the default, then the published sweeps that state a draw."""
    return _power_caps(Same(spec), work, Same(catalogue))


# Every engine, format and number of ranks of an accelerator asks for the same curve.
@lru_cache(maxsize=1024)
def _power_caps(held: Same[AcceleratorSpec], work: Work, catalogue: Same[Catalogue]) -> tuple[tuple[float, float, float], ...]:
    spec = held.held
    if spec.tdp_w is None:
        return (UNCAPPED,)
    limits = [share * spec.tdp_w for share in SHARES]
    points = cap_curve(spec.id, default_limit_w=spec.tdp_w, work=work, limits_w=limits, caps=catalogue.held.power_caps.values())
    # A limit without a published draw would save nothing that can be counted.
    known = [(one.limit_w / spec.tdp_w, one.throughput.value, one.draw.value) for one in points if one.draw is not None]
    return (UNCAPPED, *known)


Flags = NDArray[np.bool_]

INFINITE = np.inf


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Columns of equal length. Labels are indices into their lists; a quantity that a family does not have is ``nan``.

    ``throughput`` is items/s of a replica, ``slots`` its concurrent requests, ``service_s`` the time of one.
    """

    accelerators: tuple[str, ...]
    engines: tuple[str, ...]
    precisions: tuple[str, ...]
    accelerator: Floats
    engine: Floats
    precision: Floats
    devices: Floats
    batch: Floats
    cap: Floats
    throughput: Floats
    slots: Floats
    service_s: Floats
    ttft_s: Floats
    tpot_s: Floats
    latency_s: Floats
    memory_bytes: Floats
    usable_bytes: Floats
    power_w: Floats
    spread_low: Floats
    spread_high: Floats

    def __len__(self) -> int:
        return len(self.throughput)

    def of(self, accelerator: str) -> Flags:
        """Return the rows of one accelerator."""
        if accelerator not in self.accelerators:
            return np.zeros(len(self), dtype=bool)
        found: Flags = self.accelerator == self.accelerators.index(accelerator)
        return found

    def only(self, accelerator: str) -> Candidates:
        """Return the rows of one accelerator in their order, with the labels of all."""
        rows = self.of(accelerator)
        return replace(self, **{name: getattr(self, name)[rows] for name in (*LABELS, *NUMBERS)})

    @property
    def fits(self) -> Flags:
        """Return whether the predicted memory fits."""
        return self.fits_with(1.0)

    def fits_with(self, larger: float) -> Flags:
        """Return whether this many times the predicted memory fits."""
        # (rows,) for all columns.
        found: Flags = self.memory_bytes * larger <= self.usable_bytes
        return found

    def meets(self, slo: Slo, *, slower: float = 1.0) -> Flags:
        """Return whether a request without queueing is in time, even if it takes ``slower`` times as long."""
        found = np.ones(len(self), dtype=bool)
        for limit, column in ((slo.ttft_s, self.ttft_s), (slo.tpot_s, self.tpot_s), (slo.latency_s, self.latency_s)):
            if limit is not None:
                # A time that a family does not have breaks no bound.
                found &= np.isnan(column) | (column * slower <= limit)
        return found


LABELS = ("accelerator", "engine", "precision")
"""The columns of labels, as indices."""
NUMBERS = (
    "devices", "batch", "cap", "throughput", "slots", "service_s", "ttft_s", "tpot_s", "latency_s", "memory_bytes", "usable_bytes",
    "power_w", "spread_low", "spread_high",
)  # fmt: skip
"""The numeric columns, without the three labels."""


def stacked(parts: Iterable[Mapping[str, object]]) -> Candidates | None:
    """Return the blocks of rows as one table; ``None`` without rows.

    Labels are words; numbers are arrays or scalars that are broadcast.
    """
    labels: dict[str, list[str]] = {"accelerator": [], "engine": [], "precision": []}
    columns: dict[str, list[Floats]] = {name: [] for name in (*labels, *NUMBERS)}
    for part in parts:
        # A block mixes scalars and arrays over its batches; all become (rows of the block,).
        numbers = np.broadcast_arrays(*(np.asarray(part.get(name, np.nan), dtype=float) for name in NUMBERS))
        for name, values in zip(NUMBERS, numbers, strict=True):
            columns[name].append(values.ravel())
        for name, known in labels.items():
            # Labels as indices: NumPy compares rows by number far faster than by text.
            word = str(part[name])
            if word not in known:
                known.append(word)
            columns[name].append(np.full(numbers[0].size, known.index(word), dtype=float))
    if not columns["devices"]:
        return None
    joined = {name: np.concatenate(found) for name, found in columns.items()}
    assert {field.name for field in fields(Candidates)} >= set(joined), "every column is a field"
    return Candidates(
        accelerators=tuple(labels["accelerator"]), engines=tuple(labels["engine"]), precisions=tuple(labels["precision"]), **joined
    )


def with_caps(part: Mapping[str, object], caps: Sequence[tuple[float, float, float]]) -> list[dict[str, object]]:
    """Return the block once for every power limit: ``(share of the default limit, throughput, draw)``, both over the default's."""
    found = []
    for share, speed, draw in caps:
        # A limit slows every step alike, so all times grow by 1 / throughput.
        slower = {name: np.asarray(part[name]) / speed for name in ("service_s", "ttft_s", "tpot_s", "latency_s") if name in part}
        faster = {"throughput": np.asarray(part["throughput"]) * speed, "power_w": np.asarray(part["power_w"]) * draw, "cap": share}
        found.append({**part, **slower, **faster})
    return found


def why_none(found: Candidates | None, rows: Flags, slo: Slo, *, max_devices: int) -> str:
    """Return why no row is left on an accelerator, with the nearest miss in numbers and a remedy."""
    if found is None or not rows.any():
        return message("the performance model does not support this accelerator")
    within = rows & (found.devices <= max_devices)
    if not within.any():
        held = message(
            "the {max_devices} accelerator{more} of one server", max_devices=max_devices, more="s" if max_devices > 1 else ""
        )
        return message(
            "memory: needs more than {held}; larger accelerators, or a server with more of them, would change that", held=held
        )
    if not (within & found.fits).any():
        # The row that misses the memory by the smallest factor.
        nearest = np.argmin(np.where(within, found.memory_bytes / found.usable_bytes, INFINITE))
        required, offered = found.memory_bytes[nearest], found.usable_bytes[nearest]
        return message(
            "memory: at least {memory} on each of {devices:.0f} accelerators, {usable} usable; more or "
            "larger accelerators in a server, a shorter prompt or a narrower number format would change that",
            memory=memory(required),
            devices=found.devices[nearest],
            usable=memory(offered),
        )
    rows = within & found.fits
    for limit, column, name in (
        (slo.ttft_s, found.ttft_s, message("time to first token")),
        (slo.tpot_s, found.tpot_s, message("time per token")),
        (slo.latency_s, found.latency_s, "latency"),
    ):
        known = rows & ~np.isnan(column)
        if limit is not None and known.any() and not (column[known] <= limit).any():
            best = quantity(float(np.min(column[known])), "s")
            words = message("{name} is {best} at best, {limit} is required", name=name, best=best, limit=quantity(limit, "s"))
            return message("compute: {words}; a looser SLO or a faster accelerator would do", words=words)
    return message("compute: no setting meets all latency bounds; a looser SLO or a faster accelerator would do")
