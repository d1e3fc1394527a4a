"""``aigc-bench catalog``: the user's own prices, machines and constants."""

from __future__ import annotations

from pathlib import Path

import click

from aigc_bench.cli.output import json_option, print_json, print_table
from aigc_bench.cli.terminal import say
from aigc_bench.core.messages import message


@click.group(
    "catalog",
    invoke_without_command=True,
    short_help=message("Keep your own rows of the catalogue: import price lists, add rows, check and compare them."),
)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Keep your own rows of the catalogue: prices, machines and constants that override the shipped ones.

    They are files in your configuration folder. Nothing is fetched: a price list is refreshed by importing a newer file.

    \b
    aigc-bench catalog import vms.csv --provider nebius    SkyPilot's or gpuhunt's list, or one of your own
    aigc-bench catalog add servers our_h100 like=dgx_h100 price_mid_usd=251000 source="quote 4711" as_of=2026-11
    aigc-bench catalog diff                                what your rows change
    """
    if ctx.invoked_subcommand is None:
        ctx.exit(ctx.invoke(check_command, files=(), as_json=False))


@command.command("import", short_help=message("Import a price list of rented accelerators."))
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE.csv")
@click.option("--provider", metavar="NAME", help=message("Whose prices these are, where the rows do not say it."))
@click.option("--as-of", metavar="DATE", help=message("Day of the prices [default: the day on which the file was written]."))
@click.option(
    "--kind", type=click.Choice(["provider", "broker", "marketplace", "from", "index"]), help=message("What the prices are.")
)
@click.option("--map", "maps", multiple=True, metavar="NAME=ID", help=message("The accelerator that a name of the list means."))
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="FILE", help=message("File to write (default: your folder)."))
@json_option
def import_command(
    file: Path, provider: str | None, as_of: str | None, kind: str | None, maps: tuple[str, ...], out: Path | None, as_json: bool
) -> None:
    """Import a price list of rented accelerators: SkyPilot's vms.csv, gpuhunt's CSV, or your own table.

    Columns of your own: provider, accelerator, usd_per_hour (of the instance); optional count, term (on_demand, spot, reserved_1y,
    reserved_3y), region, instance, kind, min_count, interconnect, as_of, source.
    """
    from aigc_bench.catalog.user_rows import import_prices

    pairs = dict(_pair(one, option="--map") for one in maps)
    found = import_prices(file, provider=provider, as_of=as_of, kind=kind, names=pairs, out=out)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    say(
        message(
            "{count:,} rents of {accelerators} accelerators, as of {day}: {file}",
            count=found.num_rows,
            accelerators=found.num_accelerators,
            day=found.as_of,
            file=found.file,
        )
    )
    if found.num_replaced:
        say(message("{count:,} rows of an earlier import are replaced", count=found.num_replaced))
    for reason, lines in found.refused.items():
        places = ", ".join(map(str, lines[:3])) + (" ..." if len(lines) > 3 else "")
        say(message("left out: {count:,} lines, {reason} (line {places})", count=len(lines), reason=reason, places=places))


@command.command("add", short_help=message("Add a row, or change a shipped one."))
@click.argument("table", metavar="TABLE")
@click.argument("row", metavar="ID")
@click.argument("cells", nargs=-1, metavar="COLUMN=VALUE...")
@json_option
def add_command(table: str, row: str, cells: tuple[str, ...], as_json: bool) -> None:
    """Add a row, or change cells of a shipped one; source and as_of are required, like=ID starts from another row."""
    from aigc_bench.catalog.user_rows import add_row

    if not cells:
        raise click.UsageError(message("give cells, such as price_mid_usd=251000 source=... as_of=2026-11"))
    file = add_row(table, row, dict(_pair(cell, option="COLUMN=VALUE") for cell in cells))
    print_json({"file": str(file), "table": table, "id": row}) if as_json else say(
        message("{table}.{row}: written to {file}", table=table, row=row, file=file)
    )


@command.command("remove")
@click.argument("table", metavar="TABLE")
@click.argument("row", metavar="ID")
@json_option
def remove_command(table: str, row: str, as_json: bool) -> None:
    """Remove a row that `catalog add` wrote."""
    from aigc_bench.catalog.user_rows import remove_row

    file = remove_row(table, row)
    print_json({"file": str(file), "table": table, "id": row}) if as_json else say(
        message("{table}.{row}: removed from {file}", table=table, row=row, file=file)
    )


@command.command("check", short_help=message("Check your files, or those given."))
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE...]")
@json_option
def check_command(files: tuple[Path, ...], as_json: bool) -> int:
    """Check your files, or those given: rows of each, or every mistake by line; exit 1 if there is one."""
    from aigc_bench.catalog.user_rows import check_files, user_folder

    found = check_files(files)
    if as_json:
        print_json([one.model_dump(mode="json") for one in found])
    elif not found:
        say(message("no rows of your own in {folder}", folder=user_folder()))
    else:
        for one in found:
            say(message("{file}: {count:,} rows", file=one.file, count=one.num_rows) if not one.mistakes else "", *one.mistakes)
    return 1 if any(one.mistakes for one in found) else 0


@command.command("diff")
@click.argument("table", required=False, metavar="[TABLE]")
@json_option
def diff_command(table: str | None, as_json: bool) -> None:
    """Show what your rows add to the shipped catalogue and change in it."""
    from aigc_bench.catalog.user_rows import changed_cells

    found = changed_cells(table)
    if as_json:
        print_json([one.model_dump(mode="json") for one in found])
        return
    changed = [one for one in found if one.shipped is not None]
    if changed:
        print_table(
            [
                {
                    message("row"): f"{one.table}.{one.id}",
                    message("column"): one.column,
                    message("shipped"): one.shipped or "–",
                    message("yours"): one.own or "–",
                    message("source"): one.source,
                }
                for one in changed
            ]
        )
    # A row has a cell for each of its columns, and is counted once.
    new: dict[str, dict[str, None]] = {}
    for one in found:
        if one.shipped is None:
            new.setdefault(one.table, {})[one.id] = None
    for name, ids in new.items():
        more = " ..." if len(ids) > 3 else ""
        say(message("{count:,} new rows of {table}: {ids}{more}", count=len(ids), table=name, ids=", ".join([*ids][:3]), more=more))
    if not found:
        say(message("your files change nothing"))


def _pair(text: str, *, option: str) -> tuple[str, str]:
    """Return ``NAME=VALUE`` as its two parts; raises ``click.UsageError`` where there is no ``=``."""
    name, mark, value = text.partition("=")
    if not mark or not name.strip():
        raise click.UsageError(message("{option}: {text!r} must be NAME=VALUE", option=option, text=text))
    return name.strip(), value.strip()
