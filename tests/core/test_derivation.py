"""Numbers know what they were computed from, and nothing of that shows in them."""

from __future__ import annotations

import pickle

import pytest

from aigc_bench.core.derivation import Derivation, Places, derivation_of, recomputed, record, restated, unrecorded
from aigc_bench.core.records import Estimate


def number(value: float) -> Estimate:
    return Estimate(value=value, low=value, high=value, unit="W", basis="modelled")


def summed() -> Estimate:
    return record(number(5.0), Derivation("{0} + {1}", (number(2.0), number(3.0)), "a + b"))


def test_a_number_is_recomputed_from_the_values_of_its_inputs() -> None:
    assert recomputed(summed()) == 5.0
    assert recomputed(number(5.0)) is None
    assert recomputed(record(number(1.0), Derivation(None, (number(2.0),)))) is None
    assert recomputed(record(number(8.0), Derivation(None, (number(2.0), 3), compute=pow))) == 8.0


def test_a_derivation_is_neither_compared_nor_dumped_nor_printed_nor_copied() -> None:
    plain, derived = number(5.0), summed()
    assert derived == plain and hash(derived) == hash(plain)
    assert derived.model_dump() == plain.model_dump() and derived.model_dump_json() == plain.model_dump_json()
    assert repr(derived) == repr(plain)
    assert derivation_of(derived.model_copy(update={"value": 5.0})) is None
    assert derivation_of(pickle.loads(pickle.dumps(derived))) is None


def test_a_restated_number_refers_to_the_one_before() -> None:
    before = summed()
    after = restated(before, formula="the sum", high=6.0)
    found = derivation_of(after)
    assert (after.value, after.high) == (5.0, 6.0)
    assert found is not None and found.inputs[0] is before and found.formula == "the sum"
    assert recomputed(after) == 5.0


def test_places_number_inputs_in_order_and_each_once() -> None:
    of, a, b = Places(), number(1.0), number(1.0)
    assert (of(a), of(b), of(a), of.plus([a, b]), of.plus([])) == ("{0}", "{1}", "{0}", "({0} + {1})", "0")
    assert of.inputs[0] is a and of.inputs[1] is b, "equal numbers are not the same number"


def test_recording_can_be_switched_off_to_measure_its_cost() -> None:
    with pytest.raises(ZeroDivisionError), unrecorded():
        assert derivation_of(summed()) is None
        _ = 1 / 0
    assert derivation_of(summed()) is not None
