"""``aigc-bench predict``: what a case would do on an accelerator that is not here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aigc_bench.cli.output import json_option, print_json, print_table

if TYPE_CHECKING:
    from aigc_bench.core.records import MetricRow, Mode


@click.command(short_help="Predict a case on an accelerator of the catalogue.")
@click.argument("what", metavar="WORKLOAD[/PRESET]", required=False)
@click.option("-a", "--accelerator", "accelerators", multiple=True, metavar="ID|@RUN", help="Where it would run (may be repeated).")
@click.option("-p", "--profile", metavar="NAME|FILE", help="Predict every case of a profile instead of one.")
@click.option(
    "-r", "--run", "runs", multiple=True, metavar="RUN", help="An own run that calibrates the prediction (may be repeated)."
)
@click.option("--mode", type=click.Choice(["infer", "train"]), default="infer", show_default=True)
@click.option("--engine", metavar="NAME", help="torch-eager (default), torch-compile, vllm, sglang, tensorrt-llm ...")
@click.option("--precision", metavar="DTYPE", help="fp32, tf32, bf16, fp16; served engines also fp8, fp4, int4.")
@click.option(
    "--batch-size", type=click.IntRange(min=1), default=1, show_default=True, help="Batch; of a served engine, requests in flight."
)
@click.option("--devices", type=click.IntRange(min=1), default=1, show_default=True, metavar="N", help="Accelerators in use.")
@click.option("--parallel", metavar="tp=4,pp=2", help="How a served model is spread; the rest are replicas.")
@click.option("--set", "settings", multiple=True, metavar="K=V", help="A setting of the family, such as prompt_len=2048.")
@json_option
def command(
    *,
    what: str | None,
    accelerators: tuple[str, ...],
    profile: str | None,
    runs: tuple[str, ...],
    mode: Mode,
    engine: str | None,
    precision: str | None,
    batch_size: int,
    devices: int,
    parallel: str | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Predict times, throughput, memory and power of a case on an accelerator, each with an 80 % interval.

    Nothing is downloaded and no weights are made. Every number has basis `modelled`; docs/method.md says how wrong it is.
    """
    from aigc_bench import api
    from aigc_bench.core.records import dump

    if (what is None) == (profile is None):
        raise click.UsageError("name one WORKLOAD[/PRESET], or a --profile")
    if profile is not None:
        rows = api.predict_profile(profile, accelerators=accelerators, runs=runs)
    else:
        assert what is not None, "checked above"
        rows = api.predict(
            what, accelerators=accelerators, mode=mode, engine=engine, precision=precision, batch_size=batch_size, devices=devices,
            parallel=parallel, settings=settings, runs=runs,
        )  # fmt: skip
    if as_json:
        print_json([{"accelerator": name, **dump(row)} for name, row in rows])
        return
    heading = None
    for name, row in rows:
        if (name, row.case) != heading:
            heading = (name, row.case)
            click.echo(f"\n{row.case} on {name}")
            print_table([_cells(own) for owner, own in rows if (owner, own.case) == heading], right=["value", "low", "high"])


def _cells(row: MetricRow) -> dict[str, str]:
    from aigc_bench.core.units import quantity

    return {
        "metric": row.metric,
        "value": quantity(row.value, row.unit),
        "low": quantity(row.low, row.unit),
        "high": quantity(row.high, row.unit),
        "basis": row.basis,
        "verdict": row.verdict,
        "reasons": ", ".join(row.reasons),
    }
