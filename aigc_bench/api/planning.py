"""From a demand to a plan."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aigc_bench.api.arguments import Changes, checked, key_values
from aigc_bench.api.stored import RunOrPath, all_loaded
from aigc_bench.core.named_code import load_named_code
from aigc_bench.core.units import money_in

if TYPE_CHECKING:
    from datetime import date

    from aigc_bench.catalog.loader import Catalogue
    from aigc_bench.plan.explain.plan_trail import Explanation
    from aigc_bench.plan.records.demand import Demand
    from aigc_bench.plan.records.plan import Plan


@checked
def plan(
    demand: Path | str | Demand,
    *,
    runs: RunOrPath | Sequence[RunOrPath] = (),
    use_invalid: str | Sequence[str] = (),
    accelerators: str | Sequence[str] = (),
    on: date | None = None,
    code: str | Sequence[str] = (),
    quotes: Path | str | Sequence[Path | str] = (),
    changes: Changes = (),
) -> Plan:
    """Plan a demand (a TOML file or a record): options by rank with every factor, money and what they rest on.

    ``runs`` are recorded runs whose numbers are used where they fit, invalid ones only where ``use_invalid`` names their case;
    the recommended option is replayed by discrete events. ``accelerators`` narrows the search, ``on`` is the day of
    prices, by default the newest that the catalogue knows. ``code`` permits the ``module:function`` that the demand names
    as models. ``quotes`` are files of vendors' quotes, added to those of the demand. ``changes`` replace keys of the
    demand file: ``{"services.chat.users": 30000}``, or texts such as ``"services.chat.users=30000"``. Raises ``UsageError``
    with every mistake of a file.

    >>> plan = ab.plan("examples/nightly-images.toml", accelerators="l40s")
    >>> plan.to_pandas()[["rank", "kind", "accelerator", "accepted"]].head(2)
       rank   kind accelerator  accepted
    0     1  cloud        l40s      True
    1     2  cloud        l40s      True
    """
    from aigc_bench.plan.full_plan import full_plan

    for name in [code] if isinstance(code, str) else code:
        # Before the demand is read: it may name the models that this code registers.
        load_named_code(name)
    catalogue, wanted, ids = _asked(demand, accelerators=accelerators, quotes=quotes, changes=changes)
    from aigc_bench.plan.hardware.measured_runs import measured_machines

    measured = measured_machines(all_loaded(runs), catalogue=catalogue, with_invalid=use_invalid)
    # Sentences that name amounts are made as the plan is.
    with money_in(wanted.finance.shown_in):
        return full_plan(wanted, catalogue=catalogue, on=on, accelerators=ids, measured=measured)


def explained(
    demand: Path | str, key: str, *, accelerators: Sequence[str] = (), quotes: Sequence[str] = (), changes: Sequence[str] = ()
) -> Explanation:
    """Return what a number of a plan is explained from: kept from an earlier question about the same plan, else planned now."""
    from aigc_bench.catalog.overrides import user_files
    from aigc_bench.plan.explain.kept_explanations import name_of, read, write
    from aigc_bench.plan.explain.plan_trail import explanation_of

    _, wanted, ids = _asked(demand, accelerators=accelerators, quotes=quotes, changes=changes)
    name = name_of(wanted, key=key, accelerators=ids, user_files=user_files())
    found = read(name)
    if found is None:
        found = explanation_of(plan(demand, accelerators=accelerators, quotes=quotes, changes=changes), key)
        write(name, found)
    return found


def _asked(
    demand: Path | str | Demand,
    *,
    accelerators: str | Sequence[str],
    quotes: Path | str | Sequence[Path | str],
    changes: Changes,
) -> tuple[Catalogue, Demand, list[str]]:
    """Return the catalogue, the demand with its quotes, and the ids of accelerators."""
    from aigc_bench.catalog.loader import load_catalogue
    from aigc_bench.plan.demand.demand_reader import read_demand
    from aigc_bench.plan.demand.quotes import with_quote_files
    from aigc_bench.plan.records.demand import Demand

    # A lone string is a sequence of letters, too.
    names = [accelerators] if isinstance(accelerators, str) else accelerators
    catalogue = load_catalogue()
    wanted = demand if isinstance(demand, Demand) else read_demand(demand, catalogue=catalogue, changes=key_values(changes))
    wanted = with_quote_files(wanted, [quotes] if isinstance(quotes, str | Path) else quotes, catalogue=catalogue)
    # Any spelling becomes the id; an unknown one raises with the nearest.
    return catalogue, wanted, [catalogue.accelerator(name).id for name in names]
