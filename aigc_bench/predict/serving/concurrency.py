"""One question about a served language model at many numbers of requests in flight, as arrays: what a search over batches
evaluates.

The columns of the closed form are those of one sequence times ``n``, but for the weights that ``n`` tokens read of a mixture of
experts; of the groups only the load bins change. So ``curves`` equals one ``language_row`` after the other, a hundred times faster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.predict.closed_form import forms, language
from aigc_bench.predict.closed_form.columns import ModelRow, log2_bin
from aigc_bench.predict.closed_form.engine_options import EngineOptions, cached_bytes
from aigc_bench.predict.closed_form.language import Layout
from aigc_bench.predict.closed_form.language_rows import CACHE_WORD, QUANTITIES, format_as_served, language_row
from aigc_bench.predict.closed_form.optioned_rows import Ranks, apart, held_besides, moved_s, optioned, optioned_columns
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
    """A model behind an engine on ``ranks`` accelerators, the tokens of a request, and what the engine is set to do.

    ``ranks`` decode; ``options.prefill_devices`` that read prompts come on top of them.
    """

    model: LanguageModel
    spec: AcceleratorSpec
    engine: str
    precision: str
    ranks: int
    input_len: float
    output_len: float
    options: EngineOptions = field(default_factory=EngineOptions)

    @property
    def devices(self) -> int:
        """Return the accelerators of one replica."""
        return self.ranks + self.options.prefill_devices

    @property
    def layout(self) -> Layout:
        """Return the layout of one replica."""
        return apart(self.options, Layout(tensor=self.ranks))

    @property
    def numbers(self) -> NumberFormat:
        """Return the number format that the model is served in."""
        return format_as_served(self.model, self.precision)

    @property
    def on(self) -> Ranks:
        """Return the ranks of one replica."""
        return Ranks(self.model, self.spec, self.numbers, self.layout)

    @property
    def cache_width(self) -> float:
        """Return bytes of a cached element: as the options state, else what plans count with this format."""
        return cached_bytes(self.options, language.cache_bytes_per_element(self.numbers, engine=self.engine))

    def row(self, metric: str, *, sequences: float) -> ModelRow:
        """Return the question's row as the closed form answers it, with the options' work."""
        plain = self.plain_row(metric, sequences=sequences)
        if self.options == EngineOptions():
            return plain
        return optioned(plain, self.options, on=self.on)

    def plain_row(self, metric: str, *, sequences: float) -> ModelRow:
        """Return the question's row on this layout, without the options' work."""
        layout = self.layout if self.options.prefill_devices else None
        return language_row(self.query(metric, sequences=sequences), self.spec, layout=layout)

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
            words={} if self.options.kv_cache is None else {CACHE_WORD: str(self.cache_width)},
            layout={"tp": float(self.ranks)},
            input_len=self.input_len,
            output_len=self.output_len,
        )


@dataclass(frozen=True, kw_only=True)
class Curves:
    """Seconds over ``[settings, sequences]``: per token, to the first token; and the arithmetic's share of the peak.

    ``prompt_s`` is the time between two prompts that a replica's own readers finish, 0 where the decoding devices read them.
    """

    tpot_s: Floats
    ttft_s: Floats
    mfu: Floats
    prompt_s: Floats


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
    model, numbers, cache = setting.model, setting.numbers, setting.cache_width
    besides = held_besides(setting.options, model=model, numbers=numbers, layout=setting.layout)
    # As ``language.cache_capacity_tokens``: latent caches are whole on each rank, heads beyond the ranks are not divided.
    copies = float(setting.ranks) if model.has_latent_attention else max(1.0, setting.ranks / model.num_kv_heads)
    held = model.held_elements(setting.input_len + setting.output_len / 2) * cache * copies
    usable = language.USABLE_MEMORY * (setting.spec.usable_memory_bytes or setting.spec.memory_bytes) * setting.ranks
    return ReplicaMemory(
        fixed_bytes=language.weight_bytes(model, numbers, engine=setting.engine)
        + (language.ENGINE_OVERHEAD_BYTES + besides) * setting.ranks,
        request_bytes=held,
        usable_bytes=usable,
    )


def planned_options(engine: str, precision: str, *, options: EngineOptions | None = None) -> EngineOptions:
    """Return the options under which ``replica_memory`` holds: the cache's eight bits, where they are not the engine's default.

    ``options`` are those that a demand states; a stated format of the cache stays.
    """
    stated = options or EngineOptions()
    if stated.kv_cache is not None:
        return stated
    numbers = number_format(precision)
    planned = language.cache_bytes_per_element(numbers, engine=engine)
    is_own = planned == language.default_cache_bytes(numbers, engine=engine)
    return stated if is_own else stated.model_copy(update={"kv_cache": "fp8"})


def curves(settings: Sequence[Setting], sequences: Sequence[float], *, calibration: Calibration) -> Curves:
    """TPOT and TTFT of every setting at every number of sequences; raises ``NotPredictable`` where a setting has no peak.

    A number of sequences that does not fit into memory is answered as if it did: see ``replica_memory``.
    """
    counts = np.asarray(sequences, dtype=float)
    found = {name: _aspect(settings, counts, metric=name, calibration=calibration) for name in ("tpot", "ttft")}
    (tpot, _), (ttft, prompt_s) = found["tpot"], found["ttft"]
    return Curves(tpot_s=tpot, ttft_s=ttft, mfu=_mfu(settings, counts, tpot), prompt_s=prompt_s)


def _aspect(settings: Sequence[Setting], counts: Floats, *, metric: str, calibration: Calibration) -> tuple[Floats, Floats]:
    """Return seconds of a metric, and between prompts of devices that read nothing else, over ``[settings, sequences]`` each."""
    # One row a setting, for one sequence; the rest is multiplication.
    rows = [one.plain_row(metric, sequences=1.0) for one in settings]
    columns = _columns(rows, settings, counts)
    has_options = any(one.options != EngineOptions() for one in settings)
    if has_options:
        columns = _with_options(columns, settings)
    # [settings, sequences]: the form works element by element on any shape.
    logs = forms.log_quantity("language", columns, calibration.constants["language"])
    logs = logs + _effects(rows, counts, effects=calibration.effects)
    # Both aspects are times, which the roofline bounds from below.
    limited: Floats = np.exp(np.maximum(logs, forms.roofline_log("language", columns)))
    if not has_options:
        return limited, np.zeros_like(limited)
    reading = forms.decode_and_prefill(columns, calibration.constants["language"])[1]
    prompt_s: Floats = np.where(columns["is_disaggregated"] > 0, reading / columns["prefill_replicas"], 0.0)
    return limited * _of_a_step(settings, metric=metric) + _moved(settings, metric=metric), prompt_s


def _with_options(columns: Mapping[str, Floats], settings: Sequence[Setting]) -> dict[str, Floats]:
    """Return the columns with the work that each setting's options leave, cell by cell."""
    names = tuple(columns)
    # [settings, sequences, columns]
    found = np.stack([np.broadcast_to(columns[name], columns["sequences"].shape) for name in names], axis=-1).astype(float)
    for row, one in enumerate(settings):
        on = one.on
        for at, cell in enumerate(found[row].tolist()):
            left = optioned_columns(dict(zip(names, cell, strict=True)), one.options, on=on)
            found[row, at] = [left[name] for name in names]
    return {name: found[..., index] for index, name in enumerate(names)}


def _of_a_step(settings: Sequence[Setting], *, metric: str) -> Floats:
    """Return what a token takes of a decode step: a step that verifies a draft gives several."""
    tokens = np.array([one.options.tokens_a_step if metric == "tpot" else 1.0 for one in settings])
    return np.asarray(1.0 / tokens[:, None])


def _moved(settings: Sequence[Setting], *, metric: str) -> Floats:
    """Return the seconds for which a prompt's cache travels before the first token."""
    seconds = [
        moved_s(one.options, model=one.model, spec=one.spec, input_len=one.input_len, width=one.cache_width)
        if metric == "ttft"
        else 0.0
        for one in settings
    ]
    return np.array(seconds)[:, None]


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
    """Bytes of weights that ``n`` tokens read over those that one does."""

    def ratios(one: Setting) -> list[float]:
        read = [language.read_bytes(one.model, one.numbers, tokens=tokens, engine=one.engine) for tokens in (1.0, *counts.tolist())]
        return [each / read[0] for each in read[1:]]

    # Many settings share a model and its format: accelerators and ranks differ.
    keys = [(one.model.name, one.numbers.name, one.engine) for one in settings]
    found = {key: ratios(one) for key, one in dict(zip(keys, settings, strict=True)).items()}
    return np.array([found[key] for key in keys])


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
        # Of each answered token: itself, and its share of what is read of the prompt.
        per_token = 2.0 * one.model.active_params * (1 + one.options.read_share * one.input_len / one.output_len)
        share.append(per_token * counts / (peak * one.ranks))
    found: Floats = np.array(share) / tpot_s
    return found


def formats_of(spec: AcceleratorSpec) -> tuple[NumberFormat, ...]:
    """Formats that lose little quality and that the device multiplies in: sixteen bits, and fp8 where it has it."""
    wide = "bf16" if spec.peak("bf16") else "fp16"
    names = [wide] if spec.peak(wide) else []
    return tuple(number_format(name) for name in (*names, *(["fp8"] if spec.peak("fp8") else [])))
