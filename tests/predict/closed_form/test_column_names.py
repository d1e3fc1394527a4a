"""Every input of a closed form that a prediction is explained by has a name and a unit."""

from __future__ import annotations

from aigc_bench.predict.closed_form.column_names import CHOICES, LANGUAGE, STEP
from aigc_bench.predict.closed_form.language_rows import language_row
from tests.predict.closed_form.test_step_rows import CATALOGUE, row
from tests.predict.test_model import served


def test_the_columns_of_both_forms_are_named_and_no_name_is_left_over() -> None:
    h100 = CATALOGUE.accelerator("h100_sxm_80gb")
    language = language_row(served(h100, precision="bf16"), h100)
    step = row(h100, family="bert", task="infer", model="bert-large", batch=8, metric="throughput_offline", unit="samples/s")
    for found, names in ((language, LANGUAGE), (step, STEP)):
        assert set(found.columns) - CHOICES == set(names)


def test_times_at_the_peak_are_seconds() -> None:
    assert {LANGUAGE[name][1] for name in LANGUAGE if name.startswith(("decode_", "prefill_")) and name != "prefill_replicas"} == {
        "s"
    }
    assert {STEP[name][1] for name in ("compute", "memory", "vector", "reduced")} == {"s"}
