"""``predict --explain KEY``: print how a predicted metric is derived, down to FLOPs, bytes, peaks and fitted corrections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aigc_bench.analyze.metrics import metric_of
from aigc_bench.core.derivation import number_of
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import MetricRow
from aigc_bench.core.trail import Trail
from aigc_bench.core.trail_text import WIDTH, derivation, key_list, nearest

LIST = "list"


def trails_of(rows: Sequence[tuple[str, MetricRow]]) -> dict[str, Trail]:
    """Return the derivations of predicted metrics by accelerator; the keys are the metrics' ids."""
    found: dict[str, Trail] = {}
    for accelerator, row in rows:
        number, trail = number_of(row), found.setdefault(accelerator, Trail())
        if number is not None:
            trail.add(row.metric, metric_of(row.metric).name, number)
    for trail in found.values():
        # After all metrics: they refer to each other (throughput to the step, MFU to the rate).
        trail.link()
    return found


def explain(rows: Sequence[tuple[str, MetricRow]], key: str, *, width: int = WIDTH) -> str:
    """Return the derivation of a metric on every accelerator that has it; ``list`` lists all keys.

    Raises ``UsageError`` with the nearest keys where none is called that.
    """
    trails = trails_of(rows)
    if key == LIST:
        return "\n\n".join(_with_name(name, key_list(trail), trails) for name, trail in trails.items())
    having = {name: trail for name, trail in trails.items() if key in trail}
    if not having:
        keys = list(dict.fromkeys(one for trail in trails.values() for one in trail))
        near = " or ".join(nearest(key, keys))
        hint = message("Did you mean {near}?", near=near) if near else message("`--explain list` lists all keys.")
        raise UsageError(message("unknown prediction key {key!r}.", key=key), hint)
    texts = {name: "\n".join(derivation(trail, key, short=str, width=width)) for name, trail in having.items()}
    return "\n\n".join(_with_name(name, text, texts) for name, text in texts.items())


def _with_name(accelerator: str, text: str, among: Mapping[str, object]) -> str:
    """Return the text below the name of its accelerator, where there are several."""
    return f"{accelerator}\n{text}" if len(among) > 1 else text
