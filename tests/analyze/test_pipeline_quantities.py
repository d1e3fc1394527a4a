"""What a trial's data pipeline says, by hand: shares of the stages, CPU time for each item and device, what was read."""

from __future__ import annotations

from typing import Any

import pytest

from aigc_bench.analyze.pipeline_quantities import data_read, host_cpu_s, pipeline_quantities
from aigc_bench.analyze.timing import Quantity
from aigc_bench.core.pipeline import DataUse, PipelineUse
from aigc_bench.core.records import Mode, Stage, TrialResult, Work
from tests.analyze.synthetic import make_case, make_trial

STAGES = (
    Stage(name="preprocess", on_host=True),
    Stage(name="forward", repeats=3, items=2),
    Stage(name="postprocess", on_host=True),
)
IMAGES = DataUse(modality="image", path="/data", num_files=3, num_bytes=300, num_units=3, cached_fraction=0.5)
USE = PipelineUse(
    num_workers=2, cache="hot", stage_cpu_s={"preprocess": 0.4, "postprocess": 0.2}, workers_cpu_s=1.2, sources=(IMAGES,)
)


def piped(*, use: PipelineUse | None = USE, mode: Mode = "train", replicas: int = 1, **changes: Any) -> TrialResult:
    """Four steps of 0.5 s, a fifth of each in every repeat: 0.2 s of it on the host."""
    work = Work(item="image", stages=STAGES, replicas=replicas)
    trial = make_trial(make_case(mode=mode), trial=0, started_s=0.0, step_s=[0.5] * 4, work=work, devices=())
    return trial.model_copy(update={"pipeline": use, **changes})


def found(trial: TrialResult, mode: Mode = "train") -> dict[str, Quantity]:
    return {one.metric: one for one in pipeline_quantities(make_case(mode=mode), trial)}


def test_shares_are_of_all_stage_time_and_the_stall_is_what_training_waits_for() -> None:
    seen = found(piped())
    assert seen["pipeline_share"].value == pytest.approx(0.4)
    assert seen["data_stall"].value == pytest.approx(0.2)
    assert (seen["pipeline_share"].n, seen["data_stall"].n) == (4, 4)
    assert seen["loader_workers"].value == 2.0
    assert "data_stall" not in found(piped(mode="infer"), "infer"), "a request waits for its own input"


def test_cpu_time_is_of_the_stages_and_the_loaders_processes() -> None:
    """1.8 s of CPU for 4 steps of 6 images, and for the 1.2 s that the device worked."""
    seen = found(piped())
    assert host_cpu_s(USE) == pytest.approx(1.8)
    assert seen["host_cpu_per_item"].value == pytest.approx(1.8 / (4 * 6))
    assert seen["cores_per_device"].value == pytest.approx(1.8 / 1.2)
    per_device = found(piped(replicas=2))
    assert per_device["host_cpu_per_item"].value == pytest.approx(1.8 / (4 * 6)), "of the items of one device"


def test_cpu_time_that_is_not_known_is_missing_with_its_reason() -> None:
    seen = found(piped(use=USE.model_copy(update={"workers_cpu_s": None})))
    for metric in ("host_cpu_per_item", "cores_per_device"):
        assert (seen[metric].value, seen[metric].reasons) == (None, ("no_host_sensor",))
    assert "data_cached" not in seen
    alone = USE.model_copy(update={"workers_cpu_s": None, "num_workers": 0})
    assert found(piped(use=alone))["host_cpu_per_item"].value == pytest.approx(0.6 / 24)


def test_the_least_cached_of_the_data_speaks() -> None:
    texts = IMAGES.model_copy(update={"modality": "text", "cached_fraction": 0.25})
    unknown = IMAGES.model_copy(update={"modality": "audio", "cached_fraction": None})
    assert found(piped(use=USE.model_copy(update={"sources": (IMAGES, unknown, texts)})))["data_cached"].value == 0.25
    assert "data_cached" not in found(piped(use=USE.model_copy(update={"sources": (unknown,)})))


@pytest.mark.parametrize("missing", ["pipeline", "work", "samples", "window"])
def test_a_trial_without_one_of_its_records_says_nothing(missing: str) -> None:
    assert found(piped(**{missing: None})) == {}


def test_stages_that_took_no_time_have_no_shares() -> None:
    trial = piped()
    assert trial.samples is not None
    none = trial.samples.model_copy(update={"duration_s": (0.0,) * len(trial.samples.duration_s)})
    seen = found(trial.model_copy(update={"samples": none}))
    assert [seen[metric].value for metric in ("pipeline_share", "data_stall", "cores_per_device")] == [None, None, None]
    empty = trial.samples.model_copy(update=dict.fromkeys(type(trial.samples).model_fields, ()))
    assert found(trial.model_copy(update={"samples": empty})) == {}


def test_what_was_read_is_reported_once_as_the_trial_that_skipped_most_of_it_found_it() -> None:
    few, many = (IMAGES.model_copy(update={"num_skipped": num}) for num in (1, 4))
    same = many.model_copy(update={"num_samples": 9})
    elsewhere = IMAGES.model_copy(update={"path": "/other"})
    texts = IMAGES.model_copy(update={"modality": "text"})
    trials = [piped(use=USE.model_copy(update={"sources": sources})) for sources in ((few, texts), (many,), (same, few, elsewhere))]
    assert data_read([*trials, piped(use=None)]) == [many, texts, elsewhere]
    assert data_read([]) == []
