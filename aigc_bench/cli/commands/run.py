"""``aigc-bench run``: measure this machine."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import click

from aigc_bench.cli import EXIT_CASES_FAILED, EXIT_INTERRUPTED
from aigc_bench.cli.data_options import DataWords, data_options
from aigc_bench.cli.number_types import Amount, Count
from aigc_bench.cli.output import headline, json_option, print_json, print_table
from aigc_bench.cli.own_model_options import OwnModelWords, given, own_model_options
from aigc_bench.cli.terminal import say
from aigc_bench.core.messages import message
from aigc_bench.core.numbers import MOST_SEED

if TYPE_CHECKING:
    from aigc_bench.analyze.rows import CaseSummary
    from aigc_bench.api import DryRun
    from aigc_bench.core.run_records import FoundBatch
    from aigc_bench.measure.profiles import Level
    from aigc_bench.measure.store import Run

# What click passes for --resume without a value.
NEWEST = "newest"
REPORT_FILE = "report.html"


def _seconds(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Return ``90s``, ``20m``, ``1h30m`` as seconds; click's callback for ``--budget``."""
    from aigc_bench.core.units import parse_duration

    if value is None:
        return None
    try:
        seconds = parse_duration(value)
    except ValueError as problem:
        raise click.BadParameter(str(problem), ctx=ctx, param=param) from None
    if seconds <= 0:
        raise click.BadParameter(message("{value!r} must be longer than zero", value=value), ctx=ctx, param=param)
    return seconds


_SEED = Count(least=0, most=MOST_SEED)


@click.command(short_help=message("Measure this machine with a profile and write the report."))
@click.option("-p", "--profile", metavar="NAME|FILE", help=message("Profile to run (default: the one that matches this machine)."))
@own_model_options
@click.option("--find", type=click.Choice(["max-batch"]), help=message("Search for the largest batch size of each case that fits."))
@click.option(
    "--max-latency",
    type=Amount(least=1e-9, most=1e9),
    metavar="S",
    help=message("... and keeps the latency within S seconds."),
)
@data_options
@click.option(
    "--only", multiple=True, metavar="GLOB", help=message("Run only cases whose name matches, such as 'gpt/*' (repeatable).")
)
@click.option("--level", type=click.Choice(["quick", "default", "rigorous"]), help=message("Duration and number of trials."))
@click.option("--budget", callback=_seconds, metavar="20m", help=message("Total time to spread over the cases."))
@click.option("-o", "--out", type=click.Path(), metavar="DIR", help=message("Run directory to write (default: runs/TIME-PROFILE)."))
@click.option(
    "--resume",
    is_flag=False,
    flag_value=NEWEST,
    metavar="[RUN]",
    help=message("Complete an interrupted run (default: the newest)."),
)
@click.option("--seed", type=_SEED, default=0, show_default=True, metavar="N", help=message("Random seed of the trial order."))
@click.option(
    "--record-nvml",
    type=click.Path(),
    metavar="FILE",
    help=message("Also record all NVML responses, to replay an unusual GPU elsewhere."),
)
@click.option("--dry-run", is_flag=True, help=message("List the cases and the expected time, and exit."))
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    profile: str | None,
    own: OwnModelWords,
    find: Literal["max-batch"] | None,
    max_latency: float | None,
    data: DataWords,
    only: tuple[str, ...],
    level: Level | None,
    budget: float | None,
    out: str | None,
    resume: str | None,
    seed: int,
    record_nvml: str | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Measure this machine with a profile and write the report.

    Each trial is a fresh process. Finished trials are always saved: Ctrl-C ends the run cleanly, and --resume completes it.
    Exit 0 if every case has numbers, 3 if some failed.
    """
    from aigc_bench import api
    from aigc_bench.cli.progress_display import progress_display
    from aigc_bench.core.records import dump

    if resume is not None:
        _refuse_with_resume(ctx, model=own.model)
        # With --resume --model only permits the code that the run names; the profile comes from the run.
        own, code = replace(own, model=None), own.model
    if max_latency is not None and find is None:
        raise click.UsageError(message("--max-latency limits the search for the largest batch; add --find max-batch"), ctx=ctx)
    chosen = own.profile(profile, ctx=ctx)
    if dry_run:
        planned = api.dry_run(chosen, only=only, level=level, budget_s=budget, pipelines=data.pipelines())
        print_json(dump(planned)) if as_json else _print_dry_run(planned, budget_s=budget, is_search=find is not None)
        return 0
    with progress_display(is_terminal=sys.stderr.isatty()) as progress:
        words = ("aigc-bench", *sys.argv[1:])
        if resume is not None:
            run = api.resume(None if resume == NEWEST else resume, model=code, progress=progress)
        else:
            run = api.run(
                chosen,
                only=only,
                level=level,
                budget_s=budget,
                out=out,
                seed=seed,
                record_nvml=record_nvml,
                find=find,
                max_latency_s=max_latency,
                pipelines=data.pipelines(),
                progress=progress,
                command=words,
            )
    summaries = api.cases(run)
    print_json(_as_dict(run, summaries)) if as_json else _print_outcome(run, summaries)
    return _exit_code(run, summaries)


def _refuse_with_resume(ctx: click.Context, *, model: str | None) -> None:
    """Raise ``UsageError`` for options that would change a resumed run.

    ``--model module:function`` is accepted: it allows the code that the run was made with.
    """
    from aigc_bench.core.named_code import is_code_name

    allowed = ("resume", "as_json", *(["model"] if model is not None and is_code_name(model) else []))
    others = given(ctx, [name for name in ctx.params if name not in allowed])
    if others:
        raise click.UsageError(
            message("--resume continues a run with its original options; remove {others}", others=", ".join(others)), ctx=ctx
        )


def _exit_code(run: Run, summaries: Sequence[CaseSummary]) -> int:
    """Return 0; 3 if a case failed or has no numbers; 130 if the user stopped the run. A spent budget is not a failure."""
    if run.info.interrupted:
        return EXIT_INTERRUPTED
    return 0 if all(one.num_finished and not one.failures for one in summaries) else EXIT_CASES_FAILED


def _as_dict(run: Run, summaries: Sequence[CaseSummary]) -> dict[str, Any]:
    from aigc_bench import api
    from aigc_bench.core.records import dump

    return {
        "run": str(run.path),
        "report": str(run.path / REPORT_FILE),
        "profile": run.info.profile,
        "interrupted": run.info.interrupted,
        "skipped": api.skipped(run),
        "search": None if run.info.search is None else dump(run.info.search),
        "cases": [
            {"case": one.case_id, "status": one.status, "verdict": one.verdict, "reasons": one.reasons, "error": one.error_line}
            for one in summaries
        ],
    }


def _has_gaps(summary: CaseSummary) -> bool:
    # A failed trial is a result and is not run again by --resume; a missing one is.
    return summary.status == "not_run" or (summary.num_finished < summary.num_asked and not summary.failures)


def _print_outcome(run: Run, summaries: Sequence[CaseSummary]) -> None:
    """Print one line per case with its throughput, then the paths of run and report."""
    from aigc_bench import api
    from aigc_bench.core.units import quantity

    speed = {row.case: quantity(row.value, row.unit) for row in api.rows(run) if row.metric == "throughput"}
    rows = [
        {message("case"): one.case_id, message("throughput"): speed.get(one.case_id, "–"), message("outcome"): headline(one)}
        for one in summaries
    ]
    print_table(rows, right=["throughput"])
    for found in run.info.search.found if run.info.search is not None else ():
        say(_found_words(found))
    for line in api.skipped(run):
        say(line)
    say("", message("run     {path}", path=run.path), message("report  {path}", path=run.path / REPORT_FILE))
    # A run's files permit no code, so the command to resume it must name the code again.
    code = next((case.workload for case in run.info.cases if case.model is not None and case.model.is_code), None)
    permission = "" if code is None else message(" --model {code}", code=shlex.quote(code))
    if any(map(_has_gaps, summaries)) or _is_open(run):
        say(message("resume  aigc-bench run --resume {path}{permission}", path=shlex.quote(str(run.path)), permission=permission))


def _is_open(run: Run) -> bool:
    """Return whether a search for the largest batch is unfinished."""
    return run.info.search is not None and any(found.bound == "unfinished" for found in run.info.search.found)


def _found_words(found: FoundBatch) -> str:
    """Return ``largest batch 48 (limited by memory): gpt/...``."""
    from aigc_bench.report.sections.largest_batch import BOUNDS

    why = BOUNDS.get(found.bound or "", message("no larger batch was measured"))
    if found.batch_size is None:
        return message("largest batch: none, a batch of 1 does not fit ({why}): {case}", why=why, case=found.case)
    return message("largest batch {batch_size} ({why}): {case}", batch_size=found.batch_size, why=why, case=found.case)


def _print_dry_run(planned: DryRun, *, budget_s: float | None, is_search: bool) -> None:
    from aigc_bench.core.units import clock

    for problem in planned.problems:
        say(message("nothing can be measured on {problem}", problem=problem), err=True)
    for case in planned.cases:
        say(message("{id}  x {num_trials}", id=case.id, num_trials=planned.num_trials))
    total = len(planned.cases) * planned.num_trials
    say(
        "",
        message(
            "profile {profile}, level {level}: {num_cases} cases x {num_trials} trials = {total} trials, about {expected}",
            profile=planned.profile,
            level=planned.level,
            num_cases=len(planned.cases),
            num_trials=planned.num_trials,
            total=total,
            expected=clock(planned.expected_s),
        ),
    )
    if budget_s is not None:
        # Windows shrink first, then trials are left out; the first trial of each case is never left out.
        over = planned.expected_s > budget_s
        say(
            message("The budget is less than the first trial of each case takes; use --only or a longer budget.")
            if over
            else message("If required, windows are shortened, then trials left out, to stay within the budget.")
        )
    if is_search:
        say(message("The search then tries larger batches until one does not fit; their number is not known in advance."))
