"""The three things to know of a report: how it ended, how far it can be trusted, and what follows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from aigc_bench.report.base import MODE_WORDS, CaseView, ReportContext
from aigc_bench.report.markup import figure, readable


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing to know: a few words, and a sentence or two."""

    title: str
    words: str


def findings(context: ReportContext) -> list[Finding]:
    """Outcome, trust, and the plan (or, without one, what was not measured)."""
    return [outcome(context), trust(context.measured), consequence(context)]


def outcome(context: ReportContext) -> Finding:
    """Which cases finished, and which did not and why."""
    failed = [view for view in context.cases if not view.has_numbers]
    if not failed:
        return Finding(
            title="Every case finished", words=f"{len(context.cases)} cases of {len(context.families)} model families have numbers."
        )
    told = "; ".join(f"{view.label} {MODE_WORDS[view.case.mode]} ({view.status_words})" for view in failed[:3])
    more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
    return Finding(title=f"{len(context.measured)} of {len(context.cases)} cases finished", words=f"Without numbers: {told}{more}.")


def trust(cases: Sequence[CaseView]) -> Finding:
    """How many cases have headline numbers that are not valid, and the commonest reason."""
    if not cases:
        return Finding(title="No number to trust", words="No case has finished, so there is nothing to judge.")
    doubted = [view for view in cases if headline_verdict(view) != "valid"]
    if not doubted:
        return Finding(
            title="Every throughput is valid", words="No rule found a reason to doubt the throughput or latency of any case."
        )
    reasons = Counter(code for view in doubted for code in view.reasons("invalid", "suspect"))
    common = "; ".join(f"{readable((code,))} ({count} case{'s' if count > 1 else ''})" for code, count in reasons.most_common(2))
    worst = "invalid" if any(headline_verdict(view) == "invalid" for view in doubted) else "suspect"
    which = f"All {len(cases)}" if len(doubted) == len(cases) else f"{len(doubted)} of {len(cases)}"
    title = f"{which} throughputs are suspect" + (" or invalid" if worst == "invalid" else "")
    return Finding(title=title, words=f"Most often: {common}." if common else "Their reasons stand in the table of cases.")


def headline_verdict(view: CaseView) -> str:
    """The verdict of the case's throughput, the number that plans rest on."""
    row = view.rows.get("throughput")
    return row.verdict if row is not None else "valid"


def consequence(context: ReportContext) -> Finding:
    """What the plan says; without a plan, which sensors were missing."""
    plan = context.plan
    if plan is not None and plan.recommended is not None:
        option = plan.recommended
        binding = option.factors.get(option.bottleneck) if option.bottleneck is not None else None
        bound = "" if binding is None else f" {binding.title} binds: {binding.why}"
        count = figure(option.num_machines.value)
        title = f"{count} machine{'' if count == '1' else 's'} like this for “{plan.demand.name}”"
        return Finding(title=title, words=f"{option.num_servers} servers of the kind {option.server}, spares included.{bound}")
    if plan is not None:
        return Finding(
            title=f"No option meets “{plan.demand.name}”", words="The plan below names the factor that is short for each option."
        )
    blind = dict.fromkeys(sensor.source for view in context.runs for sensor in view.run.info.sensors if not sensor.available)
    if blind:
        return Finding(
            title="Some sensors were absent",
            words=f"Could not be read: {', '.join(blind)}. What they would have measured is missing, not zero.",
        )
    return Finding(
        title="No plan was asked for",
        words="Give a demand to `aigc-bench report --demand` to turn these numbers into machines and cost.",
    )
