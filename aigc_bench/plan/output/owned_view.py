"""The machines that are there already as rows: what each kind carries, whether it stays, and what either course costs."""

from __future__ import annotations

from collections.abc import Iterator

from aigc_bench.core.messages import joined, message, plural
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Record
from aigc_bench.core.units import quantity
from aigc_bench.plan.explain.supply_steps import fleet_key
from aigc_bench.plan.output.shown_number import Shown
from aigc_bench.plan.records.owned import OwnedFleet
from aigc_bench.plan.records.plan import Plan


class OwnedRow(Record):
    """One kind of owned machines: its title, what it carries, the decision with its reason, and further notes."""

    found: OwnedFleet
    title: Sentence
    carries: Sentence
    running: Shown
    resale: Shown
    decision: Sentence
    notes: tuple[Sentence, ...]


class OwnedView(Record):
    """What to do with what is there, row by row; ``rest`` says what the rest of a plan is about.

    ``keep`` and ``replace`` are the costs of both courses over the life, ``replace_by`` the new machines in words.
    """

    verdict: Sentence
    rest: Sentence | None
    rows: tuple[OwnedRow, ...]
    questions: tuple[Sentence, ...]
    keep: Shown
    replace: Shown
    replace_by: Sentence | None


def owned_view(plan: Plan) -> OwnedView | None:
    """Return the owned machines of a plan; ``None`` without any."""
    found = plan.owned
    if found is None:
        return None
    shares = [f"{name} {100 * (1 - share):.0f} %" for name, share in found.kept.items()]
    is_part = bool(found.num_kept) and not found.is_complete
    rest = (
        message("All other figures are of what is added, for the rest of the demand: {rest}.", rest=joined(", ", shares))
        if is_part
        else None
    )
    return OwnedView(
        verdict=found.verdict,
        rest=rest,
        rows=tuple(_row(one, plan, at=fleet_key(number)) for number, one in enumerate(found.fleets, start=1)),
        questions=found.questions,
        keep=Shown(key="owned.keep_usd", name=message("Kept and added"), value=found.keep_usd),
        replace=Shown(key="owned.replace_usd", name=message("Replaced"), value=found.replace_usd),
        replace_by=found.replace_by,
    )


def kept_words(plan: Plan) -> str | None:
    """Return what is kept next to a recommendation of what to add: ``keep 4 x A100``; ``None`` where nothing is."""
    found = plan.owned
    if found is None or found.is_complete or not found.num_kept:
        return None
    return message("keep {what}", what=joined(" and ", [one.what for one in found.fleets if one.decision == "keep"]))


def _row(one: OwnedFleet, plan: Plan, *, at: str) -> OwnedRow:
    owned = one.owned
    servers = plural("{count} server of {year}", "{count} servers of {year}", count=owned.num_servers, year=owned.year)
    carries = (
        message(
            "{percent:.0f} % of {loads}; all of it would take {needed}",
            percent=100 * one.share,
            loads=joined(", ", one.loads),
            needed=plural("{count} such server", "{count} such servers", count=one.needed_servers),
        )
        if one.loads and one.needed_servers is not None
        else message("nothing of the demand")
    )
    return OwnedRow(
        found=one,
        title=message("{what} ({servers})", what=one.what, servers=servers),
        carries=carries,
        running=Shown(
            key=f"{at}.running_usd_per_year",
            name=message("Electricity per year"),
            value=one.running_usd_per_year,
            missing=message("it carries nothing"),
        ),
        resale=Shown(key=f"{at}.resale_usd", name=message("Resale today"), value=one.resale_usd),
        decision=_decision(one, plan),
        notes=tuple(_notes(one)),
    )


def _decision(one: OwnedFleet, plan: Plan) -> str:
    if not one.loads:
        return message("retire: it carries nothing")
    years, running = plan.demand.finance.life_years, one.running_usd_per_year
    spent = (running.value * years if running else 0.0) + max(0.0, one.resale_usd.value - one.later_usd.value)
    keep = quantity(spent, "usd")
    anew = quantity(one.anew_usd.value, "usd") if one.anew_usd else message("unknown")
    if one.decision == "keep":
        return message(
            "keep: {keep} of electricity and lost value over the life, the same share on new machines costs {anew}",
            keep=keep,
            anew=anew,
        )
    return message(
        "retire: {keep} of electricity and lost value over the life, the same share on new machines costs {anew}",
        keep=keep,
        anew=anew,
    )


def _notes(one: OwnedFleet) -> Iterator[str]:
    if one.setting:
        yield message("runs {setting}", setting=one.setting)
    now, later = quantity(one.resale_usd.value, "usd"), quantity(one.later_usd.value, "usd")
    yield message("worth about {now} today and {later} at the end of the life", now=now, later=later)
    if one.write_off_usd:
        yield message("its sale leaves a loss of {loss} in the books", loss=quantity(one.write_off_usd, "usd"))
    yield from one.reasons
