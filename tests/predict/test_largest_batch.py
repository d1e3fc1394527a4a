"""A traced answer that does not fit tells the largest batch that does, which fits, and one more does not."""

from __future__ import annotations

from aigc_bench.core.records import Estimate
from aigc_bench.predict.model import largest_batch
from aigc_bench.predict.predicted import PredictedRow
from aigc_bench.predict.queries import predict_one
from aigc_bench.predict.query import Query


def throughput(batch: int, accelerator: str = "t4") -> PredictedRow:
    query = Query("gpt/gpt2-355m", batch_size=batch, precision="fp16", settings={"prompt_len": 512, "max_new_tokens": 2})
    rows = {row.metric: row for _, row in predict_one(query, accelerators=[accelerator]).rows}
    return rows["throughput"]


def test_the_largest_batch_fits_and_is_told_where_the_one_asked_for_does_not() -> None:
    asked = throughput(4096)
    assert asked.verdict == "invalid"
    assert "does_not_fit" in asked.reasons
    largest = asked.largest_batch_that_fits
    assert largest is not None and 1 <= largest < 4096
    assert "does_not_fit" not in throughput(largest).reasons
    assert "does_not_fit" in throughput(2 * largest).reasons


def test_a_model_that_does_not_fit_alone_has_no_largest_batch() -> None:
    peak = Estimate(value=5.0, low=5.0, high=5.0, unit="B", basis="modelled", source="a test")
    assert largest_batch({"memory": peak}, {"memory": peak}, batch=1, usable_bytes=4.0) is None
    twice = peak.model_copy(update={"value": 6.0, "low": 6.0, "high": 6.0})
    assert largest_batch({"memory": peak}, {"memory": twice}, batch=2, usable_bytes=5.5) == 1
