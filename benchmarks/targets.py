"""The targets of accuracy on accelerators left out, and which published rows each speaks of. ``accuracy.py`` holds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from aigc_bench.catalog.loader import Catalogue
from aigc_bench.predict.closed_form.links import link_class
from aigc_bench.predict.fitting.predictions import RowPrediction
from aigc_bench.predict.published.row import PublishedQuery
from aigc_bench.predict.validation.score import Score, score

COVERAGE = (0.72, 0.88)
"""What nominal 80 % intervals should cover."""
ANSWERED = 0.85
"""Least share of answered rows, of all rows of the families below."""


def is_offline(query: PublishedQuery) -> bool:
    """Throughput of a served language model with every request waiting from the start."""
    is_loaded = query.batch is None and (query.concurrency is None or np.isinf(query.concurrency))
    return query.family == "llm" and query.metric.startswith("throughput") and query.task == "infer" and is_loaded


def is_time_or_rate(query: PublishedQuery) -> bool:
    """Neither energy, power nor memory."""
    return not any(word in query.metric for word in ("energy", "power", "memory", "achieved"))


def is_offline_over(query: PublishedQuery, link: str, wanted: bool) -> bool:
    """Offline throughput of devices with links of their own (``wanted``), or of those that have PCIe alone."""
    return is_offline(query) and link != "" and (link == "nvlink") == wanted


def is_energy(query: PublishedQuery) -> bool:
    """Energy or power of the accelerators alone."""
    return query.metric in ("energy", "average_power")


TARGETS: Mapping[str, tuple[float, Callable[[PublishedQuery, str], bool]]] = {
    "language models, offline throughput, NVLink": (0.09, lambda query, link: is_offline_over(query, link, True)),
    "language models, offline throughput, PCIe": (0.15, lambda query, link: is_offline_over(query, link, False)),
    "language models, TPOT and ITL": (
        0.12,
        lambda query, _: query.family == "llm" and query.metric in ("tpot", "tpot_avg", "itl_median"),
    ),
    "language models, TTFT": (0.20, lambda query, _: query.family == "llm" and query.metric == "ttft" and not _is_guessed(query)),
    "language models, TTFT with a layout that is not stated": (
        0.20,
        lambda query, _: query.family == "llm" and query.metric == "ttft" and _is_guessed(query),
    ),
    "language models, training": (0.12, lambda query, _: query.family == "llm-train" and is_time_or_rate(query)),
    "language models, fine-tuning": (0.15, lambda query, _: query.family == "llm-finetune" and is_time_or_rate(query)),
    "BERT and CNN, inference and training": (
        0.13,
        lambda query, _: query.family in ("bert", "vision-cnn") and is_time_or_rate(query),
    ),
    "diffusion, inference and training": (0.12, lambda query, _: query.family == "diffusion-image" and is_time_or_rate(query)),
    "speech recognition": (0.20, lambda query, _: query.family == "audio-asr" and is_time_or_rate(query)),
    "video and GAN": (0.20, lambda query, _: query.family in ("video", "gan") and is_time_or_rate(query)),
    "text to speech": (0.25, lambda query, _: query.family.startswith("audio-tts") and is_time_or_rate(query)),
    "power at the wall": (0.10, lambda query, _: query.metric == "system_power_avg"),
    "energy and power of accelerators": (0.08, lambda query, _: is_energy(query)),
}
"""Name -> median error to reach, and whether a row (its query, the kind of link between its accelerators) belongs to it."""


def _is_guessed(query: PublishedQuery) -> bool:
    """Whether other devices read the prompts and the row does not say how many."""
    return query.words.get("mode") == "disagg" and "prefill_workers" not in query.layout


def scores(answers: Sequence[RowPrediction], *, catalogue: Catalogue) -> dict[str, Score]:
    """Target by target, the score of its rows; a target without an answered row is left out."""
    links = {spec.id: link_class(spec, devices=8) for spec in catalogue.accelerators.values()}
    found = {}
    for name, (_, belongs) in TARGETS.items():
        own = [answer for answer in answers if belongs(answer.row.query, links.get(answer.accelerator or "", ""))]
        found[name] = score(own, by={"target": name})
    return {name: own for name, own in found.items() if own.answered}


def table(found: Mapping[str, Score]) -> list[list[str]]:
    """Target by target: median error to reach and reached, bias, coverage, answered share, pass or miss."""
    lines = [["target", "rows", "goal", "reached", "bias", "covers", "answered", "verdict"]]
    for name, own in found.items():
        goal, share = TARGETS[name][0], own.answered / own.asked
        assert own.median_ape is not None and own.coverage_80 is not None and own.bias is not None, "an answered group has figures"
        held = {
            "error": own.median_ape <= goal,
            "coverage": COVERAGE[0] <= own.coverage_80 <= COVERAGE[1],
            "answered": share >= ANSWERED,
        }
        missed = ", ".join(what for what, is_held in held.items() if not is_held)
        figures = (goal, own.median_ape, own.bias, own.coverage_80, share)
        verdict = f"miss: {missed}" if missed else "pass"
        lines.append([name, str(own.answered), *(f"{100 * figure:.1f} %" for figure in figures), verdict])
    return lines
