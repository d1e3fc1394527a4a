"""``aigc-bench predict``: predict a case on an accelerator of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aigc_bench.cli.number_types import Amount, Count
from aigc_bench.cli.output import json_option, number_cells, print_json, print_table, width
from aigc_bench.cli.terminal import say, say_document
from aigc_bench.core.messages import message
from aigc_bench.core.numbers import MOST_DEVICES, MOST_ITEMS, MOST_REQUESTS, MOST_SEED

if TYPE_CHECKING:
    from aigc_bench.core.records import Mode
    from aigc_bench.predict.predicted import PredictedRow
    from aigc_bench.predict.query import RequestLoad

_CASE = ("mode", "engine", "precision", "batch_size", "devices", "parallel", "settings", "options")
_LOAD = ("rate", "slo_ttft", "slo_tpot", "slo_latency", "percentile", "lengths", "trace", "requests", "seed")

_BATCH, _DEVICES, _REQUESTS = Count(most=MOST_ITEMS), Count(most=MOST_DEVICES), Count(most=MOST_REQUESTS)
_SEED = Count(least=0, most=MOST_SEED)
# Without bounds: ``predict.served_queries`` checks them for the Python API as well, in one place.
_AMOUNT = Amount()


@click.command(short_help=message("Predict a case on an accelerator of the catalogue."))
@click.argument("what", metavar="WORKLOAD[/PRESET]", required=False)
@click.option(
    "-a", "--accelerator", "accelerators", multiple=True, metavar="ID|@RUN", help=message("Accelerator to predict (repeatable).")
)
@click.option("--model", metavar="PATH|MODULE:FUNCTION", help=message("Your own model: a config.json, its folder, or a function."))
@click.option(
    "--change", "changes", multiple=True, metavar="K=V", help=message("Override a key of your model's config.json (repeatable).")
)
@click.option("-p", "--profile", metavar="NAME|FILE", help=message("Predict every case of a profile instead of one."))
@click.option(
    "-r",
    "--run",
    "runs",
    multiple=True,
    metavar="RUN",
    help=message("A run of your own that calibrates the prediction (repeatable)."),
)
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.html", help=message("Also write a report.")
)
@click.option("--mode", type=click.Choice(["infer", "train"]), default="infer", show_default=True)
@click.option("--engine", metavar="NAME", help=message("torch-eager (default), torch-compile, vllm, sglang, tensorrt-llm ..."))
@click.option("--precision", metavar="DTYPE", help=message("fp32, tf32, bf16, fp16; served engines also fp8, fp4, int4."))
@click.option(
    "--batch-size",
    type=_BATCH,
    help=message("Batch size (default 1); for a serving engine the requests in flight, in the server scenario their maximum."),
)
@click.option("--devices", type=_DEVICES, default=1, show_default=True, metavar="N", help=message("Accelerators in use."))
@click.option(
    "--parallel", metavar="tp=4,pp=2", help=message("Parallelism of a served model (tp, pp, dp, ep, cp); else chosen, and printed.")
)
@click.option(
    "--set", "settings", multiple=True, metavar="K=V", help=message("A setting of the model family, such as prompt_len=2048.")
)
@click.option(
    "--engine-option",
    "options",
    multiple=True,
    metavar="K=V",
    help=message("An option of a served engine: prefix_hit_rate, chunk_tokens, kv_cache, draft, prefill_devices ... (repeatable)."),
)
@click.option("--scenario", type=click.Choice(["offline", "server"]), default="offline", show_default=True)
@click.option("--rate", type=_AMOUNT, metavar="R", help=message("Arrival rate in requests per second (server)."))
@click.option("--slo-ttft", type=_AMOUNT, metavar="S", help=message("TTFT SLO in seconds (server)."))
@click.option("--slo-tpot", type=_AMOUNT, metavar="S", help=message("TPOT SLO in seconds (server)."))
@click.option("--slo-latency", type=_AMOUNT, metavar="S", help=message("Latency SLO of a whole request in seconds (server)."))
@click.option(
    "--percentile",
    type=_AMOUNT,
    metavar="P",
    help=message("Percentage of requests that must meet each SLO (default 99)."),
)
@click.option(
    "--lengths", metavar="IN/OUT", help=message("Tokens: 1024/256, uniform:100,900/64, lognormal:700,1/lognormal:200,1 (mean, cv).")
)
@click.option(
    "--trace",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help=message("CSV or JSONL of recorded requests (server)."),
)
@click.option("--requests", type=_REQUESTS, metavar="N", help=message("Requests to simulate (default 2000, or all of the trace)."))
@click.option("--seed", type=_SEED, metavar="N", help=message("Random seed of arrivals and lengths (default 0)."))
@click.option(
    "--explain",
    "key",
    metavar="KEY",
    help=message("Show how a predicted metric is derived, such as throughput; `list` has all."),
)
@json_option
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    what: str | None,
    model: str | None,
    changes: tuple[str, ...],
    accelerators: tuple[str, ...],
    profile: str | None,
    runs: tuple[str, ...],
    out: Path | None,
    mode: Mode,
    engine: str | None,
    precision: str | None,
    batch_size: int | None,
    devices: int,
    parallel: str | None,
    settings: tuple[str, ...],
    options: tuple[str, ...],
    scenario: str,
    key: str | None,
    as_json: bool,
    **_load: object,
) -> None:
    """Predict latency, throughput, memory and power of a case on an accelerator, each with an 80 % interval.

    With `--scenario server`, also predict latency percentiles, goodput, and the highest arrival rate that meets the SLO.
    Nothing is downloaded and no weights are created. Every number has basis `modelled`; docs/method.md states its accuracy.
    """
    from aigc_bench import api
    from aigc_bench.core.words import parse_settings
    from aigc_bench.predict.query import Query

    if sum(given is not None for given in (what, model, profile)) != 1:
        raise click.UsageError(message("name one WORKLOAD[/PRESET], or your --model, or a --profile"))
    if changes and model is None:
        raise click.UsageError(message("--change overrides keys of the config.json of --model; add --model"))
    if profile is not None:
        _refuse(context, with_profile=True, names=(*_CASE, "key", "scenario", *_LOAD))
        found = api.predict_profile(profile, accelerators=accelerators, runs=runs)
    else:
        if scenario != "server":
            _refuse(context, with_profile=False, names=_LOAD)
        query = Query(
            what=what or "", model=model, changes=parse_settings(changes, option="--change"), mode=mode, engine=engine,
            precision=precision, batch_size=batch_size, devices=devices, parallel=parallel, settings=parse_settings(settings),
            engine_options=parse_settings(options, option="--engine-option"),
            load=_load_of(context) if scenario == "server" else None,
        )  # fmt: skip
        found = api.predict(query, accelerators=accelerators, runs=runs)
    _show(found.rows, key=key, as_json=as_json)
    if out is not None:
        file = api.prediction_report(
            found, title=message("Profile {profile}", profile=profile) if profile is not None else str(what or model), out=out
        )
        say(message("report: {file}", file=file), err=True)


def _show(rows: Sequence[tuple[str, PredictedRow]], *, key: str | None, as_json: bool) -> None:
    """Print the rows, or the derivation of one metric."""
    if key is not None:
        from aigc_bench.predict.prediction_trail import explain

        say_document(explain(rows, key, width=width(116)))
    elif as_json:
        _print_json(rows)
    else:
        _print(rows)


def _refuse(context: click.Context, *, with_profile: bool, names: tuple[str, ...]) -> None:
    """Raise ``UsageError`` for an option that would be ignored."""
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        if option.name in names and source is click.core.ParameterSource.COMMANDLINE:
            hint = message("a profile states this for each of its cases") if with_profile else message("add --scenario server")
            raise click.UsageError(message("{option}: {hint}", option=option.opts[0], hint=hint))


def _load_of(context: click.Context) -> RequestLoad:
    from aigc_bench.predict.query import RequestLoad

    given = context.params
    return RequestLoad(
        rate_per_s=given["rate"],
        slo_ttft_s=given["slo_ttft"],
        slo_tpot_s=given["slo_tpot"],
        slo_latency_s=given["slo_latency"],
        percentile=99.0 if given["percentile"] is None else given["percentile"],
        lengths=given["lengths"],
        trace=given["trace"],
        num_requests=given["requests"],
        seed=given["seed"] or 0,
    )


def _print_json(rows: Sequence[tuple[str, PredictedRow]]) -> None:
    from aigc_bench.core.records import dump

    print_json([{"accelerator": name, **dump(row)} for name, row in rows])


def _shared_reasons(rows: Sequence[PredictedRow]) -> list[str]:
    """Return the reasons that hold for all numbers of a case: they are printed once, above its table."""
    # Parameters and the like are counted, and have none.
    reasons = [row.reasons for row in rows if row.reasons] or [()]
    return [code for code in reasons[0] if all(code in codes for codes in reasons)]


def _print(rows: Sequence[tuple[str, PredictedRow]]) -> None:
    by_case: dict[tuple[str, str], list[PredictedRow]] = {}
    for name, row in rows:
        by_case.setdefault((row.case, name), []).append(row)
    for (case, name), own in by_case.items():
        say("", message("{case} on {name}", case=case, name=name))
        shared = _shared_reasons(own)
        if shared:
            say(message("all numbers: {shared}", shared=", ".join(shared)))
        _say_largest_batch(own)
        cells_of = [{**number_cells(row, shared=shared), message("grade"): row.grade or ""} for row in own]
        # A prediction has no trials, so n is 0 throughout.
        optional = (message("further reasons"), message("grade"))
        columns = [key for key in cells_of[0] if key != "n" and (key not in optional or any(cells[key] for cells in cells_of))]
        print_table([{key: cells[key] for key in columns} for cells in cells_of], right=["value", "low", "high"])


def _say_largest_batch(rows: Sequence[PredictedRow]) -> None:
    """Tell the largest batch that fits where a case does not."""
    if all(row.verdict != "invalid" or "does_not_fit" not in row.reasons for row in rows):
        return
    largest = max((row.largest_batch_that_fits or 0 for row in rows), default=0)
    if largest:
        say(message("does not fit in memory; the largest batch that fits is {largest}", largest=largest))
