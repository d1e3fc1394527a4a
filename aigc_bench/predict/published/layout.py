"""The column ``config_json`` of a published table: the parallel layout, and the few words that change the work.

Sources spell the same dimension differently, so each has its list of keys. What a key holds is a number or missing (``null``,
``n/a``, and 0 for a dimension that is not used); anything else refuses the row.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from aigc_bench.core.document import parse_json
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.numbers import parse_number

LAYOUT_KEYS = {
    "tp": ("tp", "tp_size", "TP", "tensor_parallel"),
    "pp": ("pp", "pp_size", "PP"),
    "dp": ("dp", "data_parallel"),
    "ep": ("moe_ep_size", "expert_parallel", "EP"),
    "moe_tp": ("moe_tp_size",),
    "cp": ("CP",),
    "attention_dp": ("attention_dp_size",),
    "prefill_tp": ("prefill_tp_size",),
    "prefill_attention_dp": ("prefill_attention_dp_size",),
    "prefill_ep": ("prefill_moe_ep_size",),
    "prefill_workers": ("prefill_num_workers",),
    "decode_tp": ("decode_tp_size",),
    "decode_workers": ("decode_num_workers",),
    "decode_attention_dp": ("decode_attention_dp_size",),
    "in_flight": ("avg_bs", "avg_batch_size"),
    "microbatch": ("micro_batch", "MBS", "batch_gpu"),
    "ulysses": ("ulysses_degree", "ulysses"),
    "ring": ("ring_degree", "ring"),
    "cfg_parallel": ("cfg",),
    "power_limit_w": ("power_limit_w",),
    "layers": ("layers",),
    "hidden": ("hidden",),
    "heads": ("heads",),
    "tokens_per_step": ("tokens_per_step",),
}
"""Name of a layout's dimension -> its spellings in ``config_json``."""
WORD_KEYS = (
    "mode",
    "task",
    "dataset",
    "power_cap",
    "padding",
    "variant",
    "activation_ckpt",
    "sharding",
    "cols",
    "context",
    "scenario",
)
"""Further keys of ``config_json`` that change the work or name its variant."""
OTHER_KEYS = ("submitter_config", "system_id", "audio", "decode")
"""Keys of which a part is read: the harness' batch, tuning for power, the length of a clip, the beams of a search."""

_MEASURED = ("in_flight", "power_limit_w")
"""Dimensions that may be fractions."""
_MISSING = ("", "n/a", "na", "none", "null", "-")
_MOST = 1e9


def read_layout(text: str) -> tuple[dict[str, float], dict[str, str]]:
    """Return layout and words of ``config_json``, both empty where it is; raises ``ValueError`` with the reason."""
    if not text:
        return {}, {}
    config = _object(text)
    layout = {name: value for name, keys in LAYOUT_KEYS.items() if (value := _first(config, keys, name=name)) is not None}
    # ``parallel`` is a word such as "tp4pp2" or "TP=4 EP=4"; it comes last, and overrides keys of its own.
    for name, degree in re.findall(r"(?<![a-zA-Z])(tp|pp|ep)[=:]?(\d+)", str(config.get("parallel", "")), re.IGNORECASE):
        layout[name.lower()] = _degree(degree, key="parallel", name=name.lower()) or 1.0
    return layout | _harness_batch(config), _words(config)


def _harness_batch(config: Mapping[str, Any]) -> dict[str, float]:
    """The largest batch in a submitter's configuration (``'encoder': 320, 'decoder': 320``), nothing where there is none."""
    submitted = config.get("submitter_config")
    stated = submitted.get("gpu_batch_size", "") if isinstance(submitted, dict) else ""
    # A product such as "32 * 2" states a batch of pairs.
    largest = max((float(number) for number in re.findall(r"(?<=: )\d{1,6}", str(stated))), default=0.0)
    return {"harness_batch": largest} if largest else {}


def _object(text: str) -> dict[str, Any]:
    try:
        config = parse_json(text, where="config_json")
    except UsageError as problem:
        raise ValueError(
            message("{problem}; leave the cell empty where it is not known", problem=" ".join(problem.message.split()).rstrip("."))
        ) from None
    if not isinstance(config, dict):
        raise ValueError(message("config_json {text} is no object of names and values", text=_short(text)))
    return config


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


def _first(config: Mapping[str, Any], keys: tuple[str, ...], *, name: str) -> float | None:
    for key in keys:
        value = config.get(key)
        if key == "cfg" and isinstance(value, str) and not value[:1].isdigit():
            continue  # a sentence about guidance, not how many devices share it
        # A first key that is null or 0 does not hide a later one.
        if value is not None and (degree := _degree(value, key=key, name=name)) is not None:
            return degree
    return None


def _degree(value: object, *, key: str, name: str) -> float | None:
    """A positive number, ``None`` where it is missing or 0; raises ``ValueError`` for anything else."""
    # bool is an int in Python, and no degree of anything.
    written = str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else "?"
    if written.lower() in _MISSING:
        return None
    try:
        number = parse_number(written, suffix=False)
    except ValueError as problem:
        raise ValueError(
            message("config_json: {key} {written} {problem}", key=key, written=_short(written), problem=problem)
        ) from None
    if number < 0 or number > _MOST or (name not in _MEASURED and not number.is_integer()):
        raise ValueError(
            message(
                "config_json: {key} {written} is not {sort} up to {most:,.0f}",
                key=key,
                written=_short(written),
                sort=_sort(name),
                most=_MOST,
            )
        )
    return number or None


def _sort(name: str) -> str:
    return message("a positive number") if name in _MEASURED else message("a whole number from 1")


def _words(config: Mapping[str, Any]) -> dict[str, str]:
    words = {key: str(config[key]) for key in WORD_KEYS if key in config}
    if isinstance(config.get("case"), dict):
        _refuse_code(config["case"].get("workload"))
        # As text again: words are strings, and ``case_of_row`` validates it whole.
        words["case"] = json.dumps(config["case"])
    columns = config.get("cols")
    if isinstance(columns, dict) and "Model" in columns:
        words["size"] = str(columns["Model"])
    if clip := re.fullmatch(r"(\d{1,5}) min", str(config.get("audio", ""))):
        words["clip_s"] = str(60 * int(clip[1]))
    if "maxq" in str(config.get("system_id", "")).lower():
        words["power_mode"] = "maxq"
    if "BERT-BASE" in str(config.get("context", "")).upper():
        words["size"] = "base"
    return words | _printed_columns(columns if isinstance(columns, dict) else {}, decoding=str(config.get("decode", "")))


def _printed_columns(columns: Mapping[str, Any], *, decoding: str) -> dict[str, str]:
    """Beams of a search and seconds of speech, where the published table has a column or a remark for them."""
    found: dict[str, str] = {}
    beams = re.fullmatch(r"\d{1,4}", str(columns.get("Beam width", ""))) or re.search(r"(?<=beamsearch )\d{1,4}", decoding)
    if beams and int(beams[0]):
        found["beams"] = beams[0]
    spoken = next((str(cell) for name, cell in columns.items() if _SPOKEN.match(name)), "")
    if re.fullmatch(r"\d{1,5}(\.\d{1,6})?", spoken) and float(spoken):
        found["audio_s"] = spoken
    if str(columns.get("Dimension", "")) in ("2", "3"):
        found["dimension"] = str(columns["Dimension"])
    return found


_SPOKEN = re.compile(r"(?i)avg audio length|duration \(s\)")


def _refuse_code(workload: object) -> None:
    """A case made with a user's own code cannot be made again from a table: files name no code."""
    if isinstance(workload, str) and ":" in workload:
        raise ValueError(
            message("config_json: case: workload {workload} names code, which is never run from a file", workload=_short(workload))
        )
