"""One question about a served language model at many numbers of requests in flight, as arrays: what a search over batches
evaluates.

The columns of the closed form are those of one sequence times ``n``, but for the weights that ``n`` tokens read of a mixture of
experts; of the groups only the load bins change. So ``curves`` equals one ``language_row`` after the other, a hundred times faster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.predict.closed_form import forms, language
from aigc_bench.predict.closed_form.columns import ModelRow, log2_bin
from aigc_bench.predict.closed_form.engine_options import EngineOptions
from aigc_bench.predict.closed_form.language_rows import QUANTITIES, format_as_served, language_row
from aigc_bench.predict.fitting.calibration import Calibration
from aigc_bench.predict.fitting.effects import Floats
from aigc_bench.predict.published.language_models import LanguageModel
from aigc_bench.predict.published.name_resolution import NumberFormat, number_format
from aigc_bench.predict.published.row import PublishedQuery

PER_SEQUENCE = ("decode_linear", "decode_attention", "decode_cache", "decode_bytes", "sequences")
"""Columns that grow in proportion to the sequences in flight."""
BIN_WIDTH = 2
"""Octaves of a load bin, as ``language_rows`` cuts them."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A model behind an engine on ``ranks`` accelerators, and the tokens of a request."""

    model: LanguageModel
    spec: AcceleratorSpec
    engine: str
    precision: str
    ranks: int
    input_len: float
    output_len: float

    def query(self, metric: str, *, sequences: float) -> PublishedQuery:
        """Return the question in the form of a published row."""
        return PublishedQuery(
            family="llm",
            task="infer-online",
            model=self.model.name,
            language=self.model,
            gpu=self.spec.id,
            gpu_count=self.ranks,
            precision=self.precision,
            software=self.engine,
            concurrency=sequences,
            metric=metric,
            unit="",
            layout={"tp": float(self.ranks)},
            input_len=self.input_len,
            output_len=self.output_len,
        )


@dataclass(frozen=True, kw_only=True)
class Curves:
    """Seconds over ``[settings, sequences]``: per token, to the first token; and the arithmetic's share of the peak."""

    tpot_s: Floats
    ttft_s: Floats
    mfu: Floats


@dataclass(frozen=True, kw_only=True)
class ReplicaMemory:
    """Bytes of one replica: weights with what engines keep besides them, cache of one request, and what may be used."""

    fixed_bytes: float
    request_bytes: float
    usable_bytes: float

    @property
    def room(self) -> float:
        """Requests in flight that fit, below 0 where the weights alone do not."""
        return (self.usable_bytes - self.fixed_bytes) / self.request_bytes


def replica_memory(setting: Setting) -> ReplicaMemory:
    """What a replica holds; a request is counted with its prompt and half of its answer, the mean over its life."""
    model, numbers = setting.model, format_as_served(setting.model, setting.precision)
    cache = language.cache_bytes_per_element(numbers, engine=setting.engine)
    # As ``language.cache_capacity_tokens``: latent caches are whole on each rank, heads beyond the ranks are not divided.
    copies = float(setting.ranks) if model.has_latent_attention else max(1.0, setting.ranks / model.num_kv_heads)
    held = model.held_elements(setting.input_len + setting.output_len / 2) * cache * copies
    usable = language.USABLE_MEMORY * (setting.spec.usable_memory_bytes or setting.spec.memory_bytes) * setting.ranks
    return ReplicaMemory(
        fixed_bytes=language.weight_bytes(model, numbers, engine=setting.engine) + language.ENGINE_OVERHEAD_BYTES * setting.ranks,
        request_bytes=held,
        usable_bytes=usable,
    )


def planned_options(engine: str, precision: str) -> EngineOptions:
    """Return the options under which ``replica_memory`` holds: the cache's eight bits, where they are not the engine's default."""
    numbers = number_format(precision)
    planned = language.cache_bytes_per_element(numbers, engine=engine)
    is_own = planned == language.default_cache_bytes(numbers, engine=engine)
    return EngineOptions() if is_own else EngineOptions(kv_cache="fp8")


def curves(settings: Sequence[Setting], sequences: Sequence[float], *, calibration: Calibration) -> Curves:
    """TPOT and TTFT of every setting at every number of sequences; raises ``NotPredictable`` where a setting has no peak.

    A number of sequences that does not fit into memory is answered as if it did: see ``replica_memory``.
    """
    counts = np.asarray(sequences, dtype=float)
    found = {name: _aspect(settings, counts, metric=name, calibration=calibration) for name in ("tpot", "ttft")}
    return Curves(tpot_s=found["tpot"], ttft_s=found["ttft"], mfu=_mfu(settings, counts, found["tpot"]))


def _aspect(settings: Sequence[Setting], counts: Floats, *, metric: str, calibration: Calibration) -> Floats:
    # One row a setting, for one sequence; the rest is multiplication.
    rows = [language_row(one.query(metric, sequences=1.0), one.spec) for one in settings]
    columns = _columns(rows, settings, counts)
    # [settings, sequences]: the form works element by element on any shape.
    logs = forms.log_quantity("language", columns, calibration.constants["language"])
    logs = logs + _effects(rows, counts, effects=calibration.effects)
    # Both aspects are times, which the roofline bounds from below.
    limited: Floats = np.exp(np.maximum(logs, forms.roofline_log("language", columns)))
    return limited


def _columns(rows: Sequence[ModelRow], settings: Sequence[Setting], counts: Floats) -> dict[str, Floats]:
    """Columns over ``[settings, sequences]``."""
    # [settings, 1]
    single = {name: column[:, None] for name, column in forms.columns_of(rows).items()}
    shape = (len(rows), len(counts))
    columns = {name: np.broadcast_to(column, shape) for name, column in single.items()}
    columns |= {name: single[name] * counts for name in PER_SEQUENCE}
    # Not in proportion: tokens of a mixture share experts, and a dense model reads all weights for one token already.
    columns["decode_weights"] = single["decode_weights"] * _read_ratio(settings, counts)
    # Other aspects use columns that would change with the number of sequences, too.
    assert set(single["aspect"].ravel()) <= {float(QUANTITIES.index(name)) for name in ("tpot", "ttft")}, "two aspects only"
    return columns


def _read_ratio(settings: Sequence[Setting], counts: Floats) -> Floats:
    """Parameters that ``n`` tokens read over those that one does."""
    by_model: dict[str, list[float]] = {}
    for one in settings:
        # Many settings share a model: accelerators, formats and ranks differ.
        if one.model.name not in by_model:
            by_model[one.model.name] = [one.model.read_params(float(count)) / one.model.read_params(1.0) for count in counts]
    return np.array([by_model[one.model.name] for one in settings])


def _effects(rows: Sequence[ModelRow], counts: Floats, *, effects: Mapping[str, float]) -> Floats:
    """The rows' effects, looked up once for each load bin."""
    bins = [log2_bin(float(count), width=BIN_WIDTH) for count in counts]
    # The load bin stands last, as in ``tpot|vllm|plain||b0``.
    end = f"|b{log2_bin(1.0, width=BIN_WIDTH)}"
    stems = [[(f"{level}={group.removesuffix(end)}", group.endswith(end)) for level, group in row.groups.items()] for row in rows]
    # Distinct bins: some dozens of counts fall into a few.
    by_bin = {
        load: [sum(effects.get(f"{stem}|b{load}" if has_bin else stem, 0.0) for stem, has_bin in row) for row in stems]
        for load in set(bins)
    }
    return np.array([by_bin[load] for load in bins]).T


def _mfu(settings: Sequence[Setting], counts: Floats, tpot_s: Floats) -> Floats:
    """Model FLOPs of decode and of the prompts between its steps over the peak."""
    share = []
    for one in settings:
        peak, _ = language.peak_flops(one.spec, number_format(one.precision))
        # Of each answered token: itself, and its share of the prompt.
        per_token = 2.0 * one.model.active_params * (1 + one.input_len / one.output_len)
        share.append(per_token * counts / (peak * one.ranks))
    found: Floats = np.array(share) / tpot_s
    return found


def formats_of(spec: AcceleratorSpec) -> tuple[NumberFormat, ...]:
    """Formats that lose little quality and that the device multiplies in: sixteen bits, and fp8 where it has it."""
    wide = "bf16" if spec.peak("bf16") else "fp16"
    names = [wide] if spec.peak(wide) else []
    return tuple(number_format(name) for name in (*names, *(["fp8"] if spec.peak("fp8") else [])))
