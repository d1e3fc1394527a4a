"""The hierarchical model: shrinkage as the closed form has it, sharing between groups, intervals that only narrow."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.predict.fitting.posterior import Groups, Observation, Posterior, Quantity, Term, fit
from aigc_bench.predict.fitting.random_effects import levels, operator_groups
from aigc_bench.predict.tracing.optrace import Operator

SPREADS = {"shared": 0.2, "machine": 0.1, "part": 0.3}
NOISE = 0.05


def quantity(amount: float = 1.0, **groups: str) -> Quantity:
    return Quantity(parts=(((Term(amount, {}),),),), groups=named(groups))


def named(groups: dict[str, str]) -> Groups:
    return {f"{level}={name}": 1.0 for level, name in groups.items()}


def observed(value: float, *, noise: float = NOISE, **groups: str) -> Observation:
    return Observation(quantity=quantity(**groups), value=value, noise=noise, case="a case")


def test_one_group_seen_once_moves_by_the_share_of_its_variance() -> None:
    posterior = fit([observed(1.2, machine="a")], spreads=SPREADS)
    expected = 0.1**2 / (0.1**2 + NOISE**2) * math.log(1.2)
    assert posterior.effects["machine=a"] == pytest.approx(expected)
    assert posterior.estimate(quantity(machine="a")).deviation == pytest.approx((1 / (1 / 0.1**2 + 1 / NOISE**2)) ** 0.5)


def test_a_group_seen_often_moves_all_the_way() -> None:
    posterior = fit([observed(1.3, shared="x") for _ in range(200)], spreads=SPREADS)
    assert posterior.estimate(quantity(shared="x")).value == pytest.approx(1.3, rel=1e-3)


def test_a_group_never_seen_keeps_its_value_and_its_whole_spread() -> None:
    posterior = fit([observed(1.3, machine="a")], spreads=SPREADS)
    found = posterior.estimate(quantity(machine="b"))
    assert (found.value, found.deviation) == (1.0, pytest.approx(0.1))


def test_a_measurement_on_one_machine_sharpens_its_neighbours_less_than_itself() -> None:
    posterior = fit([observed(1.4, shared="x", machine="a")], spreads=SPREADS)
    own, neighbour = (posterior.estimate(quantity(shared="x", machine=name)) for name in "ab")
    before = fit([], spreads=SPREADS).estimate(quantity(shared="x", machine="b"))
    assert 1.0 < neighbour.value < own.value < 1.4
    assert own.deviation < neighbour.deviation < before.deviation


def test_the_order_of_the_observations_does_not_matter() -> None:
    some = [observed(value, machine=name, shared="x") for value, name in ((1.1, "a"), (0.8, "b"), (1.6, "c"))]
    one, other = fit(some, spreads=SPREADS), fit(some[::-1], spreads=SPREADS)
    assert one.effects == pytest.approx(other.effects)


def test_an_outlier_among_many_hardly_moves_them() -> None:
    steady = [observed(1.1, shared="x") for _ in range(9)]
    posterior = fit([*steady, observed(10.0, shared="x")], spreads=SPREADS)
    assert posterior.estimate(quantity(shared="x")).value == pytest.approx(1.1, rel=0.03)


def test_a_term_is_moved_by_its_own_share_of_what_was_measured() -> None:
    slow, fast = Term(9.0, {"part=slow": 1.0}), Term(1.0, {"part=fast": 1.0})
    whole = Quantity(parts=(((slow, fast),),), groups={})
    posterior = fit([Observation(quantity=whole, value=20.0, noise=0.01, case="a case")], spreads=SPREADS)
    assert posterior.effects["part=slow"] > 5 * posterior.effects["part=fast"] > 0
    assert posterior.estimate(whole).value == pytest.approx(20.0, rel=0.02)


def test_of_alternatives_the_longer_counts_and_only_it_learns() -> None:
    device, host = (Term(2.0, {"part=device": 1.0}),), (Term(1.0, {"part=host": 1.0}),)
    whole = Quantity(parts=((device, host),), groups={})
    posterior = fit([Observation(quantity=whole, value=2.2, noise=NOISE, case="a case")], spreads=SPREADS)
    assert posterior.effects["part=device"] > 0
    assert "part=host" not in posterior.effects


def test_a_sum_of_stages_that_share_an_effect_is_no_more_certain_than_each() -> None:
    prior = Posterior(spreads=SPREADS)
    one = prior.estimate(quantity(shared="x"))
    alike = prior.added([one, one])
    apart = prior.added([prior.estimate(quantity(machine="a")), prior.estimate(quantity(machine="b"))])
    assert (alike.value, alike.deviation) == (pytest.approx(2.0), pytest.approx(0.2))
    assert apart.deviation == pytest.approx(0.1 / math.sqrt(2))


numbers = st.floats(0.5, 2.0)


@given(values=st.lists(st.tuples(numbers, st.sampled_from("abc"), st.sampled_from("xy")), max_size=6), more=numbers)
def test_another_measurement_never_widens_an_interval(values: list[tuple[float, str, str]], more: float) -> None:
    some = [observed(value, machine=name, shared=kind) for value, name, kind in values]
    target = quantity(machine="a", shared="x")
    prior = fit([], spreads=SPREADS).estimate(target)
    found = fit(some, spreads=SPREADS).estimate(target)
    low, high = found.interval()
    assert 0 < low <= found.value <= high
    assert found.deviation <= prior.deviation + 1e-12
    if not some:
        exact = fit([observed(more, machine="a", shared="x")], spreads=SPREADS).estimate(target)
        assert exact.deviation < found.deviation


def test_every_level_has_a_spread_and_a_source() -> None:
    assert all(level.spread > 0 and level.source for level in levels().values())


def test_no_effect_of_an_operator_names_a_rate_of_the_hardware_and_its_knots_add_up() -> None:
    operator = Operator(
        name="mm", kind="gemm", phase="forward", dtype="fp32", inputs=((8, 8), (8, 8)), outputs=((8, 8),), flops=1024,
        params_read_bytes=256, cache_read_bytes=0, other_read_bytes=256, written_bytes=256,
    )  # fmt: skip
    groups = operator_groups(operator, machine="m", backend="cpu")
    assert {group.partition("=")[0] for group in groups} <= levels().keys()
    for level in ("machine_size", "machine_shape"):
        assert sum(weight for group, weight in groups.items() if group.startswith(level)) == pytest.approx(1.0)
