"""Summarise a report in three findings: outcome, trust, consequence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from aigc_bench.report.base import MODE_WORDS, CaseView, ReportContext
from aigc_bench.report.markup import figure, readable


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One finding: a title, and a sentence or two."""

    title: str
    words: str


def findings(context: ReportContext) -> list[Finding]:
    """Return outcome, trust, and the plan (or, without one, what was not measured)."""
    return [outcome(context), trust(context.measured), consequence(context)]


def outcome(context: ReportContext) -> Finding:
    """Return which cases finished, and which did not and why."""
    failed = [view for view in context.cases if not view.has_numbers]
    if not failed:
        return Finding(
            title="Every case finished", words=f"{len(context.cases)} cases of {len(context.families)} model families have numbers."
        )
    unfinished = "; ".join(f"{view.label} {MODE_WORDS[view.case.mode]} ({view.status_words})" for view in failed[:3])
    more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
    return Finding(
        title=f"{len(context.measured)} of {len(context.cases)} cases finished", words=f"Without numbers: {unfinished}{more}."
    )


def trust(cases: Sequence[CaseView]) -> Finding:
    """Return how many cases have headline numbers that are not valid, and the most frequent reasons."""
    if not cases:
        return Finding(title="No numbers", words="No case has finished.")
    flagged = [view for view in cases if headline_verdict(view) != "valid"]
    if not flagged:
        return Finding(
            title="Every throughput is valid", words="No check found a problem with the throughput or latency of any case."
        )
    reasons = Counter(code for view in flagged for code in view.reasons("invalid", "suspect"))
    common = "; ".join(f"{readable((code,))} ({count} case{'s' if count > 1 else ''})" for code, count in reasons.most_common(2))
    worst = "invalid" if any(headline_verdict(view) == "invalid" for view in flagged) else "suspect"
    which = f"All {len(cases)}" if len(flagged) == len(cases) else f"{len(flagged)} of {len(cases)}"
    title = f"{which} throughputs are suspect" + (" or invalid" if worst == "invalid" else "")
    return Finding(title=title, words=f"Most often: {common}." if common else "The reasons are in the table of cases.")


def headline_verdict(view: CaseView) -> str:
    """Return the verdict of the case's throughput, the number that plans use."""
    row = view.rows.get("throughput")
    return row.verdict if row is not None else "valid"


def consequence(context: ReportContext) -> Finding:
    """Return the result of the plan; without a plan, which sensors were missing."""
    plan = context.plan
    if plan is not None and plan.recommended is not None:
        option = plan.recommended
        binding = option.factors.get(option.bottleneck) if option.bottleneck is not None else None
        bound = "" if binding is None else f" Bottleneck: {binding.title.lower()}, {binding.why}."
        count = figure(option.num_machines.value)
        title = f"{count} machine{'' if count == '1' else 's'} like this for “{plan.demand.name}”"
        return Finding(title=title, words=f"{option.num_servers} servers of type {option.server}, spares included.{bound}")
    if plan is not None:
        return Finding(
            title=f"No option meets “{plan.demand.name}”", words="The plan below names the factor that is short for each option."
        )
    blind = dict.fromkeys(sensor.source for view in context.runs for sensor in view.run.info.sensors if not sensor.available)
    if blind:
        return Finding(
            title="Some sensors are missing",
            words=f"Could not be read: {', '.join(blind)}. Their metrics are missing, not zero.",
        )
    return Finding(
        title="No plan requested",
        words="Use `aigc-bench report --demand DEMAND.toml` to turn these numbers into machines and cost.",
    )
