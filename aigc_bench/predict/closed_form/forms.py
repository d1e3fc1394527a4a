"""The two closed forms with their constants: seconds from terms. Every constant is positive and lives on a logarithmic scale.

``log_quantity`` computes a whole table in one call; the constants are fitted in ``calibration``, shipped in
``data/parameters.csv``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from aigc_bench.predict.closed_form import language_rows, step_form, step_rows
from aigc_bench.predict.closed_form.columns import Form, ModelRow
from aigc_bench.predict.closed_form.links import FAST
from aigc_bench.predict.closed_form.step_form import constant_of_each, soft_maximum

Floats = NDArray[np.float64]
Columns = Mapping[str, Floats]

_SOFT = 4.0
"""Exponent of the soft maximum of compute and memory in a decode step: 4 lies within 19 % of the sharp maximum."""
_SLOPE_STEP = 1.0001
"""Factor on a constant for its numerical derivative."""
_REFERENCE_BANDWIDTH = 3.35e12
"""Bytes/s of the device on which launch constants are quoted (H100); latencies shrink on faster memories by a fitted power."""

_LOOK_STEPS = (10.0, 30.0)
_LOOK_BOUNDARY = 16.0
"""Decode steps between two looks for new requests, below and from this number of sequences on, of an engine that is configured not
to look at each: SGLang's scheduler-recv-interval in InferenceX's recipes for Blackwell (2025-2026)."""

_LINK_EFFICIENCIES = (
    "link_efficiency", "bridge_efficiency", "pcie_efficiency", "pcie_wide_efficiency", "staged_efficiency", "network_efficiency",
)  # fmt: skip
"""Constants in the order of ``links.LINKS``."""


def priors(form: Form) -> dict[str, tuple[float, float]]:
    """Constant -> (typical value, spread of its logarithm) before any measurement."""
    return dict(_language_priors() if form == "language" else step_form.priors())


def _language_priors() -> Iterator[tuple[str, tuple[float, float]]]:
    # Shares of a peak, seconds for one unit (``_s``) or exponents; (value, spread) with the spread in logs, 1.0 is a factor of e.
    yield from {
        "weights_efficiency": (0.75, 0.1),
        "linear_efficiency": (0.5, 0.4),
        "attention_efficiency": (0.3, 0.5),
        "cache_efficiency": (0.6, 0.4),
        "link_efficiency": (0.6, 0.25),
        "collective_s": (8e-6, 0.4),
        "prefill_efficiency": (0.55, 0.4),
        "prefill_attention_efficiency": (0.35, 0.5),
        "prefill_link_efficiency": (0.6, 0.3),
        "expert_layer_s": (10e-6, 1.0),
        "interference": (0.9, 0.4),
        "wave": (0.1, 0.3),
        "wave_disaggregated": (0.1, 0.5),
        "attention_dp_exponent": (0.4, 0.5),
        "prompt_expert_layer_s": (200e-6, 1.0),
        "prompt_latent_layer_s": (500e-6, 1.0),
        "latency_exponent": (0.3, 0.5),
        "bridge_efficiency": (0.5, 0.4),
        "pcie_efficiency": (0.75, 0.3),
        "pcie_wide_efficiency": (0.4, 0.4),
        # Through the host's memory a byte crosses PCIe twice.
        "staged_efficiency": (0.35, 0.4),
        # Rings across servers reach about 370 of 400 GB/s, small messages far less (nccl-tests on H100 servers).
        "network_efficiency": (0.5, 0.3),
        "pcie_collective_s": (25e-6, 0.4),
        # Share of a step that the stages of a pipeline wait for each other: prompts of unequal length, hand-over by the scheduler.
        "bubble": (0.2, 0.5),
        "power_exponent": (0.5, 0.3),
        "expert_prefill": (1.5, 0.4),
        "seats": (0.95, 0.05),
        "seat_wait": (0.7, 0.1),
        "batch_limit.tensorrt-llm": (200.0, 0.6),
        "batch_limit.tensorrt": (500.0, 0.6),
        "batch_limit": (256.0, 0.6),
    }.items()
    for engine in language_rows.ENGINES:
        yield f"layer_s.{engine}", (12e-6, 0.8)
        yield f"step_s.{engine}", (1.5e-3, 1.0)
        yield f"sequence_s.{engine}", (10e-6, 1.2)
        yield f"prompt_s.{engine}", (10e-3, 1.0)
        yield f"prefill_factor.{engine}", (1.0, 0.35)
        yield f"prompt_layer_s.{engine}", (150e-6, 1.0)
        yield f"first_steps.{engine}", (2.0, 0.5)


SHARES: Mapping[Form, frozenset[str]] = {
    "language": frozenset(name for name, _ in _language_priors() if name.endswith("efficiency")) | {"power_exponent"},
    "step": frozenset(name for name, _ in step_form.priors() if name.split(".")[0] in step_form.LARGEST),
}
"""Constants that cannot be above one."""


def largest(form: Form, name: str) -> float:
    """The most that a constant can be: one for a share, less where hardware is known to reach less, else infinity."""
    if name not in SHARES[form]:
        return math.inf
    return step_form.LARGEST[name.split(".")[0]] if form == "step" else 1.0


def columns_of(rows: Sequence[ModelRow]) -> dict[str, Floats]:
    """The rows' columns as arrays of shape ``[rows]``; all rows are of one form."""
    return {name: np.array([row.columns[name] for row in rows], dtype=float) for name in rows[0].columns}


def log_quantity(form: Form, columns: Columns, constants: Mapping[str, float]) -> Floats:
    """Return the natural logarithm of each row's quantity: seconds of a stage or step, or items per second."""
    return _language(columns, constants) if form == "language" else step_form.log_quantity(columns, constants)


def log_slopes(form: Form, columns: Columns, constants: Mapping[str, float]) -> tuple[Floats, Floats]:
    """``log_quantity`` and its derivatives by the logarithm of each constant: shape (rows, constants).

    Constants of one kind that belong to different engines or families touch different rows: they share one evaluation.
    """
    here = log_quantity(form, columns, constants)
    slopes = np.zeros((len(here), len(constants)))
    kinds: dict[str, list[tuple[int, Floats | float]]] = {}
    for index, name in enumerate(constants):
        kind, mask = _rows_of(name, form, columns)
        kinds.setdefault(kind, []).append((index, mask))
    names = list(constants)
    for members in kinds.values():
        moved = {**constants, **{names[index]: constants[names[index]] * _SLOPE_STEP for index, _ in members}}
        # Forward difference on the logarithm of the constant.
        slope = (log_quantity(form, columns, moved) - here) / math.log(_SLOPE_STEP)
        for index, mask in members:
            slopes[:, index] = slope * mask
    return here, slopes


def _rows_of(name: str, form: Form, columns: Columns) -> tuple[str, Floats | float]:
    """The kind of a constant, and 1 on the rows of the engine or family that it belongs to (every row where it has none)."""
    prefix, _, owner = name.partition(".")
    # ``batch_limit`` enters through an array over all engines, so its members are moved one at a time.
    if not owner or prefix == "batch_limit":
        return name, 1.0
    engines: tuple[str, ...] = language_rows.ENGINES if form == "language" else step_rows.ENGINES
    families: tuple[str, ...] = step_rows.FAMILIES
    column, known = ("engine", engines) if owner in engines else ("family", families)
    mask: Floats = (columns[column] == known.index(owner)).astype(float)
    return prefix, mask


def _language(c: Columns, k: Mapping[str, float]) -> Floats:
    """Combine one decode step and one prefill into the requested metric."""
    decode, prefill, sequences = decode_and_prefill(c, k)
    of = _engine(c, k)
    together = 1 - c["is_disaggregated"]
    # 0.2 is fixed, not fitted: ``prompt_s`` is fitted on TTFT among other clients, and most of it is not spent alone.
    prompt_s = prefill + 0.2 * of("prompt_s")
    single = prompt_s + _latency(c, k) * c["layers"] * of("layer_s")
    # Prompts read on the same devices stall the decoding ones. Each of the sequences - 1 others reads one prompt in its life of
    # output_len steps, so that (sequences - 1) / output_len come in during a step; a request's own came before its first token.
    others = np.maximum(sequences - 1, 0.0)
    shared = decode + together * k["interference"] * others / c["output_len"] * prefill
    first = _first_token(c, k, decode=decode, prefill=prefill, shared=shared, sequences=sequences)
    # One generation of the batch: all prompts one after the other, then output_len steps for all together.
    round_s = sequences * prefill + c["output_len"] * decode
    rate = c["replicas"] * sequences * c["output_len"] / round_s
    by_name: dict[str, Floats] = {
        # A static batch has read all its prompts before it decodes.
        "tpot": np.where(c["is_static"] > 0, decode, shared),
        "ttft": first,
        "rate": rate,
        "latency": round_s + 0.2 * of("prompt_s"),
        "request": single + c["output_len"] * decode,
        "decode_rate": sequences / decode,
        "prefill_rate": c["input_len"] / single,
        "prefill_time": sequences * prefill + 0.2 * of("prompt_s"),
        "energy": rate / _share_drawn(c, k, decode=decode, prefill=prefill, sequences=sequences),
        "itl_p99": _longest_gaps(c, k, decode=decode, prefill=prefill, sequences=sequences),
    }
    # All aspects are computed for all rows: a few vector operations cost less than splitting the table.
    chosen = np.choose(c["aspect"].astype(int), [by_name[name] for name in language_rows.QUANTITIES])
    logs: Floats = np.log(chosen)
    return logs


def _first_token(
    c: Columns, k: Mapping[str, float], *, decode: Floats, prefill: Floats, shared: Floats, sequences: Floats
) -> Floats:
    """Mean seconds to a first token among clients who start together and each send the next request when the last is answered.

    Harnesses send about ten requests a client. In the first wave a prompt is read behind half of all others; later ones come one
    by one, and hardly wait for each other. Besides its own pass a request waits until the engine looks for new ones, and for a
    seat where all are taken. With attention in data parallel a prompt is read by fewer ranks than there are.
    """
    of, together = _engine(c, k), 1 - c["is_disaggregated"]
    # Clients in front of one group of devices that reads prompts; prefill_replicas counts them where they are apart.
    clients = np.maximum(sequences * c["waiting"] * np.where(together > 0, 1.0, c["replicas"] / c["prefill_replicas"]), 1.0)
    reading, launches = prefill * c["attention_ranks"] ** k["attention_dp_exponent"], pass_launches_s(c, k)
    # Prompts that fit one pass share its launches.
    each = reading + launches / np.clip(c["prompts_a_pass"], 1.0, clients)
    # In the first wave (clients - 1) / 2 prompts lie ahead on average; ``wave`` is that wave's share in the mean over all requests.
    wave = np.where(together > 0, k["wave"], k["wave_disaggregated"]) * (clients - 1) / 2
    steps = of("first_steps") + steps_to_a_look(c, sequences)
    # Requests over seats less one: the generations that a request waits for, each as long as an answer.
    seated = np.maximum(c["requested"] / np.maximum(c["room"] * k["seats"], 1.0) - 1, 0) * k["seat_wait"] * c["output_len"] * shared
    first: Floats = reading + launches + wave * each + steps * decode + of("prompt_s") + together * seated
    return first


_CLOCKS_UP, _BY_MEMORY, _BY_ARITHMETIC = 0.3, 0.3, 0.8
"""Shares of the watts between idle and TDP: of a device that serves, what a busy memory adds, what arithmetic adds for its share
of the time at its peak. Chosen on left-out accelerators (ML.ENERGY v2 and v3); published means of decoding are 45 to 75 %."""


def _share_drawn(c: Columns, k: Mapping[str, float], *, decode: Floats, prefill: Floats, sequences: Floats) -> Floats:
    """Mean watts of a device over its TDP while it decodes, and nearly all of them while it reads prompts."""
    # A row of prompts alone may have no decode step.
    step = np.maximum(decode, 1e-12)
    memory = (c["decode_weights"] / k["weights_efficiency"] + c["decode_cache"] / k["cache_efficiency"]) / step
    arithmetic = (c["decode_linear"] + c["decode_attention"]) / step
    decoding = np.clip(_CLOCKS_UP + _BY_MEMORY * np.clip(memory, 0.0, 1.0) + _BY_ARITHMETIC * arithmetic, 0.0, 0.95)
    reading = sequences * prefill / (sequences * prefill + c["output_len"] * decode)
    share: Floats = c["idle_share"] + (1 - c["idle_share"]) * (decoding * (1 - reading) + 0.95 * reading)
    return share


def _longest_gaps(c: Columns, k: Mapping[str, float], *, decode: Floats, prefill: Floats, sequences: Floats) -> Floats:
    """99th percentile of the seconds between two tokens: a step that also reads the prompts which came in before it.

    Prompts arrive as a Poisson process of sequences / output_len a step; the quantile is 0 below one in a hundred steps,
    1 + n + 1.5 sqrt(n) above (within one of the exact quantile up to 10). A pass holds no more than ``prompts_a_pass``.
    """
    arriving = sequences / c["output_len"]
    together = np.clip(arriving / 0.01, 0.0, 1.0) + arriving + 1.5 * np.sqrt(arriving)
    read = np.minimum(together, np.maximum(c["prompts_a_pass"], 1.0))
    longest: Floats = decode + read * prefill + np.minimum(read, 1.0) * pass_launches_s(c, k)
    return longest


def pass_launches_s(c: Columns, k: Mapping[str, float]) -> Floats:
    """Seconds that a pass over prompts takes however short they are: its kernels are launched one by one, not from a graph."""
    of = _engine(c, k)
    each = (
        c["layers"] * of("prompt_layer_s")
        + c["moe_layers"] * k["prompt_expert_layer_s"]
        + c["latent_layers"] * k["prompt_latent_layer_s"]
    )
    return _latency(c, k) * each


def steps_to_a_look(c: Columns, sequences: Floats) -> Floats:
    """Mean decode steps until an engine that looks seldom sees a new request; 0 for others, whose wait is in ``first_steps``."""
    between = np.where(sequences < _LOOK_BOUNDARY, _LOOK_STEPS[0], _LOOK_STEPS[1])
    # A request comes at a random moment, so on average half of the interval is left.
    mean: Floats = c["looks_seldom"] * between / 2
    return mean


def _engine(c: Columns, k: Mapping[str, float]) -> Callable[[str], Floats]:
    return lambda prefix: constant_of_each(c["engine"], language_rows.ENGINES, prefix, k)


def _latency(c: Columns, k: Mapping[str, float]) -> Floats:
    scaled: Floats = (_REFERENCE_BANDWIDTH / c["bandwidth"]) ** k["latency_exponent"]
    return scaled


def decode_and_prefill(c: Columns, k: Mapping[str, float]) -> tuple[Floats, Floats, Floats]:
    """Seconds of a decode step, of one prompt, and the sequences in flight after the engine's own limit.

    All three have the shape of the columns, ``[rows]`` or ``[settings, sequences]``.
    """
    of = _engine(c, k)
    names = language_rows.ENGINES
    limits = np.full(len(names), k["batch_limit"])
    limits[names.index("tensorrt-llm")] = k["batch_limit.tensorrt-llm"]
    limits[names.index("tensorrt")] = k["batch_limit.tensorrt"]
    # Offline runs offer all requests from the start, and the engine's limit decides what is in flight; other rows state the load.
    share = np.where(c["is_offline"] > 0, np.minimum(1.0, limits[c["engine"].astype(int)] / c["sequences"]), 1.0)
    sequences = c["sequences"] * share
    # Terms are times at the peak, so dividing by an efficiency makes them times that are reached.
    links = np.array([k[name] for name in _LINK_EFFICIENCIES])[c["link"].astype(int)]
    power = c["power_share"] ** k["power_exponent"]
    # The devices' own links come first in LINKS; collectives over PCIe and network start an order of magnitude later.
    collective_s = np.where(c["link"] < len(FAST), k["collective_s"], k["pcie_collective_s"])
    linear = soft_maximum(
        c["decode_linear"] * share / (k["linear_efficiency"] * power), c["decode_weights"] / k["weights_efficiency"], power=_SOFT
    )
    attention = soft_maximum(
        c["decode_attention"] * share / (k["attention_efficiency"] * power),
        c["decode_cache"] * share / k["cache_efficiency"],
        power=_SOFT,
    )
    # Fixed costs for each collective, layer and expert layer, which faster memories shorten (``_latency``).
    launches = c["collectives"] * collective_s + c["layers"] * of("layer_s") + c["moe_layers"] * k["expert_layer_s"]
    decode = (
        linear
        + attention
        + c["decode_bytes"] * share / links
        + _latency(c, k) * launches
        + of("step_s")
        + sequences * of("sequence_s")
    )
    # Experts' products are small and uneven, and reach less of the peak than dense ones.
    experts = np.where(c["moe_layers"] > 0, k["expert_prefill"], 1.0)
    prefill = (
        soft_maximum(
            c["prefill_linear"] / (k["prefill_efficiency"] * power) * of("prefill_factor") * experts,
            c["prefill_weights"] / k["weights_efficiency"],
            power=_SOFT,
        )
        + c["prefill_attention"] / (k["prefill_attention_efficiency"] * power)
        # Relative to ``link_efficiency``: all kinds of link scale alike from decode's small messages to prefill's large ones.
        + c["prefill_bytes"] / (links * k["prefill_link_efficiency"] / k["link_efficiency"])
    )
    # Many stages hardly wait longer than two: 2 (p - 1) / p is 1 for two and 2 at most.
    waits = 1 + k["bubble"] * 2 * (c["stages"] - 1) / c["stages"]
    return decode * waits, prefill * waits, sequences


def roofline_log(form: Form, columns: Columns) -> Floats:
    """The logarithm of the quantity at the datasheet's peaks, without any launch or exchange: no prediction is beyond it."""
    if form == "step":
        return step_form.roofline_log(columns)
    perfect = dict.fromkeys(priors(form), 1.0)
    for name in perfect:
        if name.split(".")[0].endswith("_s") or name.split(".")[0] in (
            "first_steps",
            "wave",
            "wave_disaggregated",
            "attention_dp_exponent",
            "seat_wait",
            "bubble",
        ):
            # As good as 0 and still positive, as every constant is; an exponent of 1e-30 leaves its base at 1.
            perfect[name] = 1e-30
        if name.startswith("batch_limit"):
            perfect[name] = math.inf
    # No clock is lost to power at the roofline.
    perfect["power_exponent"] = 1e-30
    perfect["interference"] = 0.0
    return log_quantity(form, columns, perfect)
