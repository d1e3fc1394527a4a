"""``aigc-bench plan``: turn a demand into a purchase plan."""

from __future__ import annotations

from pathlib import Path

import click

from aigc_bench.cli.output import json_option, print_json, width
from aigc_bench.cli.terminal import say, say_document
from aigc_bench.core.messages import message


@click.command("plan")
@click.argument("demand", required=False, metavar="DEMAND.toml")
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
    "--out", type=click.Path(path_type=Path), help=message("Folder for plan.html, plan.json and CSV files; with --new, the file.")
)
@click.option("--explain", "key", metavar="KEY", help=message("Show how a number is derived, such as power or machine.price_usd."))
@click.option("--keys", "as_keys", is_flag=True, help=message("List every key of a demand file and exit."))
@json_option
def command(
    demand: str | None,
    scenario: str | None,
    runs: tuple[str, ...],
    use_invalid: tuple[str, ...],
    code: tuple[str, ...],
    accelerators: tuple[str, ...],
    quotes: tuple[str, ...],
    out: Path | None,
    key: str | None,
    as_keys: bool,
    as_json: bool,
) -> None:
    """Plan the purchase for a demand: what to buy or rent, requirements and cost.

    \b
    aigc-bench plan --new chat-assistant --out chat.toml   write an example demand
    aigc-bench plan chat.toml                              plan it
    """
    from aigc_bench import api

    if as_keys:
        from aigc_bench.plan.demand.manual import table

        say_document(table())
    elif scenario is not None:
        _start(scenario, out)
    elif demand is None:
        raise click.UsageError(message("give a DEMAND.toml, or --new SCENARIO to write one"))
    else:
        plan = api.plan(demand, runs=runs, use_invalid=use_invalid, accelerators=accelerators, code=code, quotes=quotes)
        from aigc_bench.plan.output.contract import contract
        from aigc_bench.plan.output.plan_view import plan_view

        view = plan_view(plan)
        # Files first: they are written whatever is printed.
        if out is not None:
            api.write_plan(plan, out)
            say(message("report: {out}", out=out / "plan.html"), err=True)
        if key is not None:
            from aigc_bench.plan.explain.plan_trail import explain

            say_document(explain(plan, key, width=width(116)))
        elif as_json:
            print_json(contract(view))
        else:
            from aigc_bench.cli.plan_screen import screen

            say_document(screen(view))


def _start(scenario: str, out: Path | None) -> None:
    from aigc_bench.plan.demand.manual import new_demand

    written = new_demand(scenario, out=out)
    say(message("{written}: edit it, then run `aigc-bench plan {written}`.", written=written))
