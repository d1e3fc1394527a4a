"""``aigc-bench plan``: turn a demand into a purchase plan."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aigc_bench.cli.output import json_option, print_json, width
from aigc_bench.cli.terminal import say, say_document
from aigc_bench.core.messages import is_english, message

if TYPE_CHECKING:
    from aigc_bench.plan.records.plan import Plan


@click.command("plan")
@click.argument("demands", nargs=-1, metavar="[DEMAND.toml...]")
@click.option("--new", "scenario", metavar="SCENARIO", help=message("Write a commented example demand and exit."))
@click.option("--run", "runs", multiple=True, metavar="RUN", help=message("Use this run's measurements where they match."))
@click.option("--use-invalid", multiple=True, metavar="CASE", help=message("Use this case although its verdict is invalid."))
@click.option(
    "--model", "code", multiple=True, metavar="MODULE:FUNCTION", help=message("Allow this code, which the demand names as a model.")
)
@click.option("--accelerator", "accelerators", multiple=True, metavar="ID", help=message("Consider this accelerator only."))
@click.option(
    "--quote", "quotes", multiple=True, metavar="FILE", help=message("Compare the vendors' quotes in this TOML or CSV file.")
)
@click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help=message("Change a key of the demand: services.chat.users=30000.")
)
@click.option("--top", type=click.IntRange(0), metavar="N", help=message("List the N best alternatives."))
@click.option(
    "--out", type=click.Path(path_type=Path), help=message("Folder for plan.html, plan.json and CSV files; with --new, the file.")
)
@click.option(
    "--deploy",
    "deploy_to",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help=message("Folder for start commands, Kubernetes manifests and Slurm scripts of the recommendation."),
)
@click.option("--explain", "key", metavar="KEY", help=message("Show how a number is derived, such as power or machine.price_usd."))
@click.option("--keys", "as_keys", is_flag=True, help=message("List every key of a demand file and exit."))
@json_option
def command(
    demands: tuple[str, ...],
    scenario: str | None,
    runs: tuple[str, ...],
    use_invalid: tuple[str, ...],
    code: tuple[str, ...],
    accelerators: tuple[str, ...],
    quotes: tuple[str, ...],
    changes: tuple[str, ...],
    top: int | None,
    out: Path | None,
    deploy_to: Path | None,
    key: str | None,
    as_keys: bool,
    as_json: bool,
) -> None:
    """Plan the purchase for a demand: what to buy or rent, requirements and cost.

    \b
    aigc-bench plan --new chat-assistant --out chat.toml   write an example demand
    aigc-bench plan chat.toml                              plan it
    aigc-bench plan chat.toml --set services.chat.users=9000   with a key changed
    aigc-bench plan chat.toml larger.toml                  two plans next to each other

    Where no plan is confirmed the output names the nearest option and what it misses; --json has "recommendation": null.
    """
    from aigc_bench import api

    if as_keys:
        from aigc_bench.plan.demand.manual import table

        say_document(table())
    elif scenario is not None:
        _start(scenario, out)
    elif not demands:
        raise click.UsageError(message("give a DEMAND.toml, or --new SCENARIO to write one"))
    elif key is not None and len(demands) > 1:
        raise click.UsageError(message("--explain is of one plan; give one DEMAND.toml"))
    # Sentences of a kept explanation have lost their templates, and a run or code of the user's own may have changed.
    elif key is not None and is_english() and not (runs or code or out or deploy_to):
        from aigc_bench.api.planning import explained
        from aigc_bench.plan.explain.plan_trail import printed

        found = explained(demands[0], key, accelerators=accelerators, quotes=quotes, changes=changes)
        say_document(printed(found, key, width=width(116)))
    else:
        planned = partial(
            api.plan, runs=runs, use_invalid=use_invalid, accelerators=accelerators, code=code, quotes=quotes, changes=changes
        )
        plans = [planned(demand) for demand in demands]
        # Files first: they are written whatever is printed.
        for plan, folder in zip(plans, _folders(demands, out), strict=True):
            if folder is not None:
                api.write_plan(plan, folder)
                say(message("report: {out}", out=folder / "plan.html"), err=True)
        for plan, folder in zip(plans, _folders(demands, deploy_to), strict=True):
            if folder is not None:
                say(message("deploy: {out}", out=api.write_deployment(plan, folder)), err=True)
        _print(plans, names=_names(demands), top=top, key=key, as_json=as_json)


def _print(plans: Sequence[Plan], *, names: Sequence[str], top: int | None, key: str | None, as_json: bool) -> None:
    from aigc_bench.plan.output.contract import contract
    from aigc_bench.plan.output.plan_view import plan_view

    views = [plan_view(plan, top=top) for plan in plans]
    if key is not None:
        from aigc_bench.plan.explain.plan_trail import explain

        say_document(explain(plans[0], key, width=width(116)))
    elif as_json:
        found = [contract(view) for view in views]
        print_json(found[0] if len(found) == 1 else found)
    elif len(views) == 1:
        from aigc_bench.cli.plan_screen import screen

        say_document(screen(views[0]))
    else:
        from aigc_bench.cli.plans_screen import print_plans
        from aigc_bench.plan.output.side_by_side_view import side_by_side

        print_plans(side_by_side(views, names))


def _folders(demands: Sequence[str], out: Path | None) -> list[Path | None]:
    """Return where each plan is written: of several each in a folder of its own name."""
    if out is None or len(demands) == 1:
        return [out] * len(demands)
    return [out / name for name in _names(demands)]


def _names(demands: Sequence[str]) -> list[str]:
    """Return the files' names without their ending; equal ones get a number."""
    stems = [Path(demand).stem for demand in demands]
    return [stem if stems.count(stem) == 1 else f"{stem}-{number}" for number, stem in enumerate(stems, start=1)]


def _start(scenario: str, out: Path | None) -> None:
    from aigc_bench.plan.demand.manual import new_demand

    written = new_demand(scenario, out=out)
    say(message("{written}: edit it, then run `aigc-bench plan {written}`.", written=written))
