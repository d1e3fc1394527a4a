"""Summarise a report in three findings: outcome, trust, consequence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from aigc_bench.core.messages import in_lower_case, joined, message, plural
from aigc_bench.core.units import figure
from aigc_bench.report.base import MODE_WORDS, CaseView, ReportContext
from aigc_bench.report.markup import readable


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
            title=message("Every case finished"),
            words=message(
                "{num_cases} cases of {num_families} model families have numbers.",
                num_cases=len(context.cases),
                num_families=len(context.families),
            ),
        )
    unfinished = joined(
        "; ",
        (
            message("{label} {mode} ({status})", label=view.label, mode=MODE_WORDS[view.case.mode], status=view.status_words)
            # Three names keep the finding at two lines; the table of cases has all.
            for view in failed[:3]
        ),
    )
    more = message("; and {num_more} more", num_more=len(failed) - 3) if len(failed) > 3 else ""
    return Finding(
        title=message(
            "{num_measured} of {num_cases} cases finished", num_measured=len(context.measured), num_cases=len(context.cases)
        ),
        words=message("Without numbers: {unfinished}{more}.", unfinished=unfinished, more=more),
    )


def trust(cases: Sequence[CaseView]) -> Finding:
    """Return how many cases have headline numbers that are not valid, and the most frequent reasons."""
    if not cases:
        return Finding(title=message("No numbers"), words=message("No case has finished."))
    flagged = [view for view in cases if headline_verdict(view) != "valid"]
    if not flagged:
        return Finding(
            title=message("Every throughput is valid"),
            words=message("No check found a problem with the throughput or latency of any case."),
        )
    reasons = Counter(code for view in flagged for code in view.reasons("invalid", "suspect"))
    common = joined(
        "; ",
        (
            plural("{reason} ({count} case)", "{reason} ({count} cases)", count=count, reason=readable((code,)))
            for code, count in reasons.most_common(2)
        ),
    )
    worst = "invalid" if any(headline_verdict(view) == "invalid" for view in flagged) else "suspect"
    which = (
        message("All {num_cases}", num_cases=len(cases))
        if len(flagged) == len(cases)
        else message("{num_flagged} of {num_cases}", num_flagged=len(flagged), num_cases=len(cases))
    )
    title = (
        message("{which} throughputs are suspect or invalid", which=which)
        if worst == "invalid"
        else message("{which} throughputs are suspect", which=which)
    )
    return Finding(
        title=title,
        words=message("Most often: {common}.", common=common) if common else message("The reasons are in the table of cases."),
    )


def headline_verdict(view: CaseView) -> str:
    """Return the verdict of the case's throughput, the number that plans use."""
    row = view.rows.get("throughput")
    # A case without a throughput has no headline that could be doubted.
    return row.verdict if row is not None else "valid"


def consequence(context: ReportContext) -> Finding:
    """Return the result of the plan; without a plan, which sensors were missing."""
    plan = context.plan.plan if context.plan is not None else None
    if plan is not None and plan.recommended is not None:
        option = plan.recommended
        binding = option.factors.get(option.bottleneck) if option.bottleneck is not None else None
        bound = (
            "" if binding is None else message(" Bottleneck: {title}, {why}.", title=in_lower_case(binding.title), why=binding.why)
        )
        count = figure(option.num_machines.value)
        title = message(
            "{count} machine{more} like this for “{name}”", count=count, more="" if count == "1" else "s", name=plan.demand.name
        )
        return Finding(
            title=title,
            words=message(
                "{num_servers} servers of type {server}, spares included.{bound}",
                num_servers=option.num_servers,
                server=option.server,
                bound=bound,
            ),
        )
    if plan is not None:
        return Finding(
            title=message("No option meets “{name}”", name=plan.demand.name),
            words=message("The plan below names the factor that is short for each option."),
        )
    blind = dict.fromkeys(sensor.source for view in context.runs for sensor in view.run.info.sensors if not sensor.available)
    if blind:
        return Finding(
            title=message("Some sensors are missing"),
            words=message("Could not be read: {blind}. Their metrics are missing, not zero.", blind=", ".join(blind)),
        )
    return Finding(
        title=message("No plan requested"),
        words=message("Use `aigc-bench report --demand DEMAND.toml` to turn these numbers into machines and cost."),
    )
