"""``aigc-bench profiles``: list, show and create profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from aigc_bench.cli.output import json_option, print_json, print_table
from aigc_bench.cli.terminal import say
from aigc_bench.core.messages import message

if TYPE_CHECKING:
    from aigc_bench.measure.profiles import Profile


@click.group("profiles", invoke_without_command=True, short_help=message("List, show and create profiles."))
@click.pass_context
def command(ctx: click.Context) -> None:
    """List, show and create profiles: named sets of cases for one kind of machine."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_command, as_json=False)


@command.command("list")
@json_option
def list_command(*, as_json: bool) -> None:
    """List the profiles, shipped and your own."""
    from aigc_bench.listing import listing

    rows = listing("profiles")
    print_json(rows) if as_json else print_table([{key: str(value) for key, value in row.items()} for row in rows], right=["cases"])


@command.command("show")
@click.argument("profile", metavar="NAME|FILE")
@json_option
def show_command(*, profile: str, as_json: bool) -> None:
    """Show a profile and its cases."""
    from aigc_bench.measure.profiles import find_profile

    found = find_profile(profile)
    print_json(as_dict(found)) if as_json else _print(found)


@command.command("new")
@click.argument("name")
@click.option("--from", "source", default="smoke", show_default=True, metavar="NAME|FILE", help=message("Profile to start from."))
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False), metavar="FILE", help=message("File to write (default: your profile folder).")
)
@json_option
def new_command(*, name: str, source: str, out: str | None, as_json: bool) -> None:
    """Create your own profile from an existing one, ready to edit."""
    from aigc_bench.measure.profiles import new_profile

    file = new_profile(name, source=source, out=out)
    print_json({"profile": name, "path": str(file)}) if as_json else say(str(file))


def as_dict(profile: Profile) -> dict[str, Any]:
    """Return a profile as JSON types, with its hash and its cases' names."""
    cases = [{"id": case.id, **case.model_dump(mode="json")} for case in profile.cases]
    return {**profile.model_dump(mode="json", exclude={"cases"}), "hash": profile.hash, "cases": cases}


def _print(profile: Profile) -> None:
    expects = profile.expects if isinstance(profile.expects, str) else ", ".join(profile.expects)
    say(message("{name}: {title}", name=profile.name, title=profile.title))
    say(
        message(
            "expects {expects}; level {level}; {num_cases} cases; {path}",
            expects=expects,
            level=profile.level,
            num_cases=len(profile.cases),
            path=profile.path,
        )
    )
    if profile.description:
        say("", *profile.description.splitlines())
    say()
    for case in profile.cases:
        say(f"  {case.id}")
