"""Read a demand file: report all mistakes together, else return the records of ``plan.demand`` in SI units.

``--set`` changes single keys: ``services.chat.users=30000`` is the key ``users`` of the ``[[service]]`` named ``chat``;
``site.pue=1.2``, ``constraints.confidence=0`` and ``availability=0.99`` are keys of tables and of the demand itself. A value is
written as in the file: ``30000``, ``"2 s"``, ``true``, ``["us", "eu"]``; a text may stand without quotes.
"""

from __future__ import annotations

import copy
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from aigc_bench.core.document import mistakes, parse_toml, read_toml
from aigc_bench.core.errors import AigcBenchError, UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.toml_file import check, check_kind, inner_record
from aigc_bench.plan.demand.arrival_rates import read_arrivals
from aigc_bench.plan.demand.chains import (
    Expanded,
    expanded_post_training,
    expanded_rag,
    post_training_chain,
    rag_chain,
)
from aigc_bench.plan.demand.quotes import quote_of, repeated_names
from aigc_bench.plan.demand.schema import WrittenDemand, WrittenService
from aigc_bench.plan.demand.served_options import with_context
from aigc_bench.plan.demand.services_and_jobs import Check, batch_of, checks_of, service_of, training_of, with_own_model
from aigc_bench.plan.demand.site_and_limits import (
    colocation_of,
    constraints_of,
    dataset_of,
    demand_amounts,
    demand_table,
    finance_of,
    in_usd,
    owned_of,
    site_of,
    stated_amount,
)
from aigc_bench.plan.records.chains import Chain
from aigc_bench.plan.records.demand import Demand, Growth, Service

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue


_LONGEST = 10_000


def changed(raw: Mapping[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """Return a demand as read from its file with keys replaced; raise ``UsageError`` for one that leads nowhere.

    Whether a key exists and its value is allowed is checked as for the file itself.
    """
    made: dict[str, Any] = copy.deepcopy(dict(raw))
    for change in changes:
        key, mark, text = change.partition("=")
        parts = [part.strip() for part in key.split(".")]
        if not mark or not all(parts):
            raise UsageError(
                message("--set {change!r} must be KEY=VALUE.", change=change), message("Write --set services.chat.users=30000.")
            )
        table, name = _table(made, parts, change=change)
        table[name] = _value(text.strip(), key=key.strip())
    return made


def _table(made: dict[str, Any], parts: Sequence[str], *, change: str) -> tuple[dict[str, Any], str]:
    """Return the table that holds the key, and the key's last name."""
    if len(parts) == 1:
        return made, parts[0]
    for kind in (parts[0], parts[0].removesuffix("s")):
        # [[service]] is a list of tables, of which services.chat names one.
        if isinstance(made.get(kind), list):
            return _named(made, parts, kind=kind, change=change), parts[-1]
    table = made.setdefault(parts[0], {})
    if len(parts) != 2 or not isinstance(table, dict):
        raise UsageError(message("--set {change!r}: {key} is no key of a demand.", change=change, key=".".join(parts)))
    return table, parts[1]


def _named(made: Mapping[str, Any], parts: Sequence[str], *, kind: str, change: str) -> dict[str, Any]:
    tables = [one for one in made.get(kind) or [] if isinstance(one, dict)]
    # A name may hold dots, as a model's does: everything between the kind and the last part is the name.
    name = ".".join(parts[1:-1])
    found = [one for one in tables if str(one.get("name")) == name]
    if len(found) == 1:
        return found[0]
    names = ", ".join(str(one.get("name")) for one in tables) or message("none")
    raise UsageError(
        message("--set {change!r}: the demand has no {kind} named {name!r}.", change=change, kind=kind, name=name),
        message("It has: {names}.", names=names),
    )


def _value(text: str, *, key: str) -> Any:
    """Return a value as TOML has it, with the limits of a file; what is no value of TOML is a text."""
    line = f"value = {text}"
    try:
        is_toml = list(tomllib.loads(line[:_LONGEST])) == ["value"]
    except tomllib.TOMLDecodeError:
        is_toml = False
    except (ValueError, RecursionError):
        is_toml = True  # too many digits, or too deep: the reader of files says so
    return parse_toml(line if is_toml else f"value = {_quoted(text)}", where=f"--set {key}")["value"]


def _quoted(text: str) -> str:
    """Return a text as a TOML string of one line."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t") + '"'


Made = TypeVar("Made")


class Named(Protocol):
    """A table with a name."""

    @property
    def name(self) -> str:
        """Return the name."""


Table = TypeVar("Table", bound=Named)


def read_demand(path: Path | str, *, catalogue: Catalogue, changes: Sequence[str] = ()) -> Demand:
    """Return the demand in a file, with keys changed (``services.chat.users=30000``).

    Raises ``UsageError`` that names the file and every wrong key.
    """
    file = Path(path)
    raw = read_toml(file)
    check_kind(raw, wanted="demand", file=file)
    raw = changed(raw, changes)
    written, problems = check(raw, demand_table())
    if written is None:
        # The rest of the file is still checked for unknown names, so that one run reports all mistakes.
        sound = _sound_part(raw)
        # Mistakes of the demand as a whole are left out: they may come from the parts that were dropped.
        more = _convert(sound, catalogue=catalogue, folder=file.parent)[1] if sound else []
        raise mistakes(file, [*problems, *(found for found in more if not found.startswith(WHOLE))])
    demand, problems = _convert(written, catalogue=catalogue, folder=file.parent)
    if demand is None:
        raise mistakes(file, problems)
    return demand


class _Attempts:
    """Make the parts of a demand and collect their mistakes, so that all are reported together."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def make(self, place: str, maker: Callable[[], Made]) -> list[Made]:
        """Return the part in a list, or an empty list if it has a mistake."""
        try:
            return [maker()]
        except AigcBenchError as problem:
            message = f"{place}: {problem}"
            # Two checks of one table can find the same mistake.
            self.problems += [] if message in self.problems else [message]
            return []

    def make_all(
        self,
        tables: Sequence[Table],
        noun: str,
        *,
        checks: Callable[[Table], Sequence[Check]],
        maker: Callable[[Table], Made],
        prepare: Callable[[Table], Table] = lambda table: table,
    ) -> list[Made]:
        """Return every table of a kind that passes all its checks after ``prepare``."""
        made: list[Made] = []
        for number, table in enumerate(tables, start=1):
            place, before = f"{noun} {number} ({table.name})", len(self.problems)
            for known in self.make(place, partial(prepare, table)):
                # All checks run before the conversion, which would stop at the first mistake.
                for one in checks(known):
                    self.make(place, one)
                # Only a table without mistakes is converted.
                if len(self.problems) == before:
                    made += self.make(place, partial(maker, known))
        return made


def _convert(written: WrittenDemand, *, catalogue: Catalogue, folder: Path) -> tuple[Demand | None, list[str]]:
    attempts = _Attempts()
    # Amounts in another currency become USD before anything reads them.
    written = next(iter(attempts.make("finance", partial(in_usd, written, catalogue=catalogue))), written)

    plain, life_s = written, written.finance.life
    written = _with_chains(written, attempts)

    def times_of(name: str) -> list[float]:
        """Return the arrival times in seconds of a trace next to the demand file."""
        return read_arrivals(folder / name)

    own = partial(with_own_model, folder=folder)

    def talking(table: WrittenService) -> WrittenService:
        """Return a service with its own model, and with prompts that hold the turns before them."""
        return with_context(own(table))

    checks = partial(checks_of, catalogue=catalogue, times_of=times_of)
    make_service = partial(service_of, catalogue=catalogue, times_of=times_of)
    services = attempts.make_all(written.service, "service", checks=checks, maker=make_service, prepare=talking)
    make_batch = partial(batch_of, catalogue=catalogue)
    jobs = attempts.make_all(written.batch, "batch", checks=checks, maker=make_batch, prepare=own)
    once = partial(training_of, life_s=written.finance.life)
    jobs += attempts.make_all(written.training, "training", checks=checks, maker=once, prepare=own)
    datasets = attempts.make_all(written.dataset, "dataset", checks=lambda _: (), maker=partial(dataset_of, catalogue=catalogue))
    owned = [
        made
        for number, one in enumerate(written.owned, start=1)
        for made in attempts.make(f"owned {number}", partial(owned_of, one, catalogue=catalogue))
    ]
    quotes = attempts.make_all(written.quote, "quote", checks=lambda _: (), maker=partial(quote_of, catalogue=catalogue))
    site = attempts.make("site", lambda: site_of(written.site, catalogue=catalogue))
    colocation = attempts.make("colocation", lambda: colocation_of(written.colocation, catalogue=catalogue))
    finance = attempts.make("finance", lambda: finance_of(written.finance, catalogue=catalogue))
    constraints = attempts.make("constraints", lambda: constraints_of(written.constraints, catalogue=catalogue))
    chains = _chains(plain, services, life_s=life_s) if not attempts.problems else ()
    attempts.problems += [*_whole(written), *(f"{WHOLE}{problem}" for problem in repeated_names(quotes))]
    if attempts.problems:
        return None, attempts.problems
    # Each of site, colocation, finance and constraints has exactly one entry: without it there would be a problem above.
    demand = Demand(
        name=written.name,
        goal=written.goal,
        services=_joined_arrivals(services, chains),
        jobs=tuple(jobs),
        chains=chains,
        datasets=tuple(datasets),
        quotes=tuple(quotes),
        owned=tuple(owned),
        site=site[0],
        colocation=colocation[0],
        finance=finance[0],
        constraints=constraints[0],
        growth=_growth(written),
        availability=written.availability,
        of_factors=demand_amounts(written, catalogue=catalogue),
    )
    return demand, []


def _with_chains(written: WrittenDemand, attempts: _Attempts) -> WrittenDemand:
    """Return the demand with the services, jobs and data that its chains are made of."""
    made: list[Expanded] = []
    for number, rag in enumerate(written.rag, start=1):
        made += attempts.make(f"rag {number} ({rag.name})", partial(expanded_rag, rag))
    for number, run in enumerate(written.post_training, start=1):
        expand = partial(expanded_post_training, run, life_s=written.finance.life)
        made += attempts.make(f"post_training {number} ({run.name})", expand)
    return written.model_copy(
        update={
            "service": (*written.service, *(one for part in made for one in part.services)),
            "batch": (*written.batch, *(one for part in made for one in part.batches)),
            "training": (*written.training, *(one for part in made for one in part.trainings)),
            "dataset": (*written.dataset, *(one for part in made for one in part.datasets)),
        }
    )


def _chains(written: WrittenDemand, services: Sequence[Service], *, life_s: float) -> tuple[Chain, ...]:
    rags = [rag_chain(one, services) for one in written.rag]
    return (*rags, *(post_training_chain(one, life_s=life_s) for one in written.post_training))


def _joined_arrivals(services: Sequence[Service], chains: Sequence[Chain]) -> tuple[Service, ...]:
    """Return the services, those of a chain with the chain whose requests they share."""
    of = {stage: chain.name for chain in chains for stage in chain.stages}
    return tuple(one.model_copy(update={"chain": of[one.name]}) if one.name in of else one for one in services)


def _growth(written: WrittenDemand) -> Growth | None:
    if written.growth_per_year is None or written.horizon is None:
        return None
    per_year = written.growth_per_year.estimate("fraction/year", source=message("stated in the demand"))
    return Growth(per_year=per_year, horizon_years=written.horizon / YEAR_S)


def _sound_part(raw: dict[str, Any]) -> WrittenDemand | None:
    """Return the file without its invalid keys, so that the names in the rest are checked, too."""
    # The name is required; a missing one is already reported.
    kept: dict[str, Any] = {"name": "?"}
    for key, field in demand_table().model_fields.items():
        given, record = raw.get(key), inner_record(field.annotation)
        if given is None or record is None:
            continue
        if isinstance(given, list):
            kept[key] = [sound for table in given if (sound := _mended(table, record)) is not None]
        elif (sound := _mended(given, record)) is not None:
            kept[key] = sound
    return check(kept, demand_table())[0]


STAND_INS: Mapping[str, Any] = {
    "rate": 1.0, "items": 1.0, "deadline": 1.0, "tokens": 1.0, "samples": 1.0, "input_tokens": 1.0, "output_tokens": 1.0,
}  # fmt: skip
"""Substitutes for required keys with invalid values, so that a key that was given is not reported as missing."""


def _mended(table: Any, record: type[BaseModel]) -> dict[str, Any] | None:
    """Return the table without its wrong keys; ``None`` if the rest is invalid, too."""
    if not isinstance(table, dict):
        return None
    kept: dict[str, Any] = dict(table)
    # Twice: once to drop the wrong keys, once to see whether the rest is valid.
    for _ in range(2):
        try:
            record.model_validate(kept)
        except ValidationError as problem:
            wrong = {str(error["loc"][0]) for error in problem.errors() if error["loc"]}
            kept = {key: value for key, value in kept.items() if key not in wrong}
            kept |= {key: value for key, value in STAND_INS.items() if key in wrong and key in table}
        else:
            return kept
    return None


YEAR_S = 365.25 * 86400.0
MOST_LOADS = 100
"""Services and jobs of one demand: each is searched on every accelerator, about a second on the whole catalogue."""
WHOLE = message("the demand: ")
"""Prefix of a mistake that concerns several tables."""


def _whole(written: WrittenDemand) -> list[str]:
    """Return the mistakes that concern several tables: no load, a repeated name, growth without a horizon."""
    # One count over all kinds: loads are looked up by name alone.
    names = Counter([one.name for kind in (written.service, written.batch, written.training) for one in kind])
    problems = [
        message("{whole}{name!r} is the name of {count} services or jobs", whole=WHOLE, name=name, count=count)
        for name, count in names.items()
        if count > 1
    ]
    if names.total() > MOST_LOADS:
        problems.append(
            message(
                "{whole}{total} services and jobs; at most {most_loads} are planned together",
                whole=WHOLE,
                total=names.total(),
                most_loads=MOST_LOADS,
            )
        )
    if not names:
        problems.append(
            message("{whole}no load: add a [[service]], [[batch]], [[training]], [[rag]] or [[post_training]]", whole=WHOLE)
        )
    limits, site = written.constraints, written.site
    bounds = (limits.budget_usd, limits.budget_usd_per_year, stated_amount(site, "power_kw"), site.racks)
    if written.goal == "most requests" and all(one is None for one in bounds):
        problems.append(
            message(
                "{whole}goal = 'most requests' needs a limit: a budget in [constraints], or power_kw or racks in [site]",
                whole=WHOLE,
            )
        )
    if written.goal == "most requests" and written.owned:
        problems.append(message("{whole}goal = 'most requests' and [[owned]] are not planned together", whole=WHOLE))
    if (written.growth_per_year is None) != (written.horizon is None):
        problems.append(message("{whole}growth_per_year and horizon belong together: give both or neither", whole=WHOLE))
    return problems
