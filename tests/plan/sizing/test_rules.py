"""The planner's own assumptions are intervals of what they are, with their source."""

from __future__ import annotations

from functools import cache

from aigc_bench.core.records import Estimate
from aigc_bench.plan.records.rules import rules_from
from tests.plan.demands import catalogue


@cache
def rules() -> dict[str, Estimate]:
    found = rules_from(catalogue())
    return {name: getattr(found, name) for name in type(found).model_fields}


def test_every_rule_is_an_interval_with_a_source() -> None:
    for name, rule in rules().items():
        assert rule.low <= rule.value <= rule.high, name
        assert rule.source, name
        assert rule.basis != "assumed" or rule.low < rule.high, name


def test_shares_are_shares_and_everything_else_is_positive() -> None:
    shares = {name for name, rule in rules().items() if rule.unit == "fraction"}
    assert shares >= {
        "usable_memory",
        "link_goodput",
        "machine_availability",
        "off_peak_share",
        "job_goodput",
        "target_utilisation",
    }
    assert all(rules()[name].low >= 0 and rules()[name].high <= 1 for name in shares)
    assert all(rule.low > 0 for name, rule in rules().items() if name not in shares)


def test_uncertain_rules_have_ends_on_both_sides_of_the_value() -> None:
    for name in ("link_goodput", "machine_availability", "off_peak_share", "job_goodput"):
        assert rules()[name].low < rules()[name].value < rules()[name].high, name
