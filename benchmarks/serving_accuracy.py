"""How far simulated serving is from published runs under load: TTFT and TPOT at a concurrency, and whether intervals hold them.

    python benchmarks/serving_accuracy.py TABLE.csv.gz
    python benchmarks/serving_accuracy.py TABLE.csv.gz --runs 1000 --by engine

Every chosen run of the table states model, accelerator, engine, lengths and a number of clients that send their next request when
the last is answered; the same clients are simulated (ten requests each, from an empty server, lengths spread over 80 to 100 % of
the stated ones, as the load generators do) on the step time that the calibrated form gives. The accelerators and engines are
those of the calibration, so this is no test on unseen hardware (`accuracy.py` is): it says what the simulation adds to the form.
Runs whose prompts and answers are served apart, or with attention in data parallel, are left out: the simulation has neither.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from aigc_bench.catalog.loader import Catalogue, load_catalogue
from aigc_bench.core.errors import AigcBenchError
from aigc_bench.core.records import Estimate
from aigc_bench.predict.closed_form.columns import NotPredictable
from aigc_bench.predict.closed_form.layouts import stated_layout
from aigc_bench.predict.fitting.calibration import shipped_calibration
from aigc_bench.predict.fitting.machine_names import machine_named
from aigc_bench.predict.published.name_resolution import resolve_engine, resolve_language_model
from aigc_bench.predict.published.row import PublishedQuery, PublishedRow
from aigc_bench.predict.published.table import read_published
from aigc_bench.predict.serving.capacity import simulate
from aigc_bench.predict.serving.closed_form_server import closed_form_server
from aigc_bench.predict.serving.lengths import UniformLength
from aigc_bench.predict.serving.request_arrivals import Arrivals, Traffic

METRICS = ("ttft", "tpot")
SEED = 3
"""Of the draw; the constants of `closed_form` were read off the first 600 runs of this seed, so `--seed` draws others."""
SHORTEST = 0.8
"""Lengths of the harness behind most rows: uniform between this share of the stated length and all of it."""
REQUESTS_PER_CLIENT, MOST_REQUESTS = 10, 4000


class Scored(NamedTuple):
    """One run: its engine, accelerator and clients, and logarithms of simulated over published by metric."""

    engine: str
    gpu: str
    clients: str
    errors: dict[str, float]
    is_held: dict[str, bool]


def main() -> None:
    """Print the table."""
    arguments = _parser().parse_args()
    if arguments.table is None:
        print("serving_accuracy.py needs a table of published results: python benchmarks/serving_accuracy.py TABLE.csv.gz")
        return
    started = time.process_time()
    runs = _runs(arguments.table)
    chosen = random.Random(arguments.seed).sample(runs, min(arguments.runs, len(runs)))
    catalogue = load_catalogue(with_user_files=False)
    scored = [found for run in chosen if (found := _score(run, catalogue=catalogue)) is not None]
    print(f"{len(scored)} of {len(chosen)} runs answered, {time.process_time() - started:.1f} s")
    print(f"{arguments.by:16} {'runs':>5}  {'TTFT':>7} {'bias':>7} {'held':>6}  {'TPOT':>7} {'bias':>7} {'held':>6}")
    groups: dict[str, list[Scored]] = {}
    for one in scored:
        groups.setdefault(getattr(one, arguments.by), []).append(one)
    for name, own in [*sorted(groups.items()), ("all", scored)]:
        print(f"{name:16} {len(own):5}  {_line(own, 'ttft')}  {_line(own, 'tpot')}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, nargs="?", help="published results in the documented schema")
    parser.add_argument("--runs", type=int, default=400, help="runs to draw (default 400)")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the draw (default {SEED})")
    parser.add_argument("--by", choices=("engine", "gpu", "clients"), default="engine", help="rows of the printed table")
    return parser


def _runs(table: Path) -> list[dict[str, PublishedRow]]:
    """Runs that state TTFT and TPOT, clients and lengths, in the table's order."""
    found: dict[str, dict[str, PublishedRow]] = {}
    for row in read_published(table).rows:
        if row.query.family == "llm" and row.query.metric in METRICS and row.run_key and _is_plain(row.query):
            found.setdefault(row.run_key, {})[row.query.metric] = row
    return [run for run in found.values() if len(run) == len(METRICS)]


def _is_plain(query: PublishedQuery) -> bool:
    has_load = query.concurrency is not None and math.isfinite(query.concurrency) and query.concurrency >= 1
    is_apart = query.words.get("mode") == "disagg" or query.layout.get("attention_dp", 1) > 1
    return has_load and bool(query.input_len and query.output_len) and query.batch is None and not is_apart


def _score(run: dict[str, PublishedRow], *, catalogue: Catalogue) -> Scored | None:
    query = run["tpot"].query
    assert query.concurrency and query.input_len and query.output_len, "only such runs are chosen"
    ranks = int(max(query.layout.get("tp", 0), query.layout.get("ep", 0))) or query.gpu_count
    parallel = {"tp": min(ranks, query.gpu_count), "pp": int(query.layout.get("pp", 1))}
    clients = int(query.concurrency)
    traffic = Traffic(
        arrivals=Arrivals(pattern="closed", concurrency=clients),
        input_tokens=_spread(query.input_len),
        output_tokens=_spread(query.output_len),
        num_requests=min(MOST_REQUESTS, REQUESTS_PER_CLIENT * max(clients, 4)),
    )
    try:
        spec = machine_named(query.gpu, catalogue=catalogue)
        usable: Estimate = catalogue.usable_memory(spec)
        model = resolve_language_model(query.model)
        assert model is not None, "only runs of known models are chosen"
        engine = resolve_engine(query.software).name
        layout = stated_layout(model, engine=engine, ranks=parallel, devices=query.gpu_count)
        servers, _ = closed_form_server(query, spec, layout=layout, usable=usable, calibration=shipped_calibration())
        results = [simulate(server, traffic, warmup=0, cooldown=0) for server in servers.all]
    except (NotPredictable, AigcBenchError):
        return None
    found = {metric: [_mean(getattr(result, metric)) for result in results] for metric in METRICS}
    return Scored(
        engine=resolve_engine(query.software).name,
        gpu=spec.id,
        clients=f"{2 ** round(math.log2(clients)):5}",
        errors={metric: math.log(values[0] / run[metric].value) for metric, values in found.items()},
        is_held={metric: min(values) <= run[metric].value <= max(values) for metric, values in found.items()},
    )


def _spread(tokens: float) -> UniformLength:
    return UniformLength(low=max(1, int(tokens * SHORTEST)), high=max(1, int(tokens)))


def _mean(distribution: object) -> float:
    return float(getattr(distribution, "mean", math.nan))


def _line(scored: Sequence[Scored], metric: str) -> str:
    """Median absolute error, median signed error, share of published values inside the interval."""
    errors = list(_errors(scored, metric))
    held = statistics.fmean(one.is_held[metric] for one in scored)
    return f"{statistics.median(map(abs, errors)):7.1%} {statistics.median(errors):+7.1%} {held:6.0%}"


def _errors(scored: Sequence[Scored], metric: str) -> Iterator[float]:
    return (math.expm1(one.errors[metric]) for one in scored)


if __name__ == "__main__":
    main()
