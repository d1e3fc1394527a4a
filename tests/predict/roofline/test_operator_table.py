"""The planner's arrays against the predictor's own sums: one formula, two ways to add it up."""

from __future__ import annotations

import pytest

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core.records import Case
from aigc_bench.predict.engines import engine_costs
from aigc_bench.predict.model import stage_times
from aigc_bench.predict.roofline.operator_table import OperatorTable, tables
from aigc_bench.predict.roofline.operator_table import stage_times as table_times
from aigc_bench.predict.tracing.optrace import OpTrace
from aigc_bench.predict.tracing.trace_cache import trace_case

CATALOGUE = load_catalogue(with_user_files=False)
FAMILIES = (
    ("gpt", "tiny"),
    ("bert", "tiny"),
    ("vae", "mlp-784-400-20"),
    ("vision", "tiny"),
    ("recommendation", "tiny"),
    ("latent_diffusion", "tiny"),
)
BATCHES = (1, 2, 16)
CLOSE = 1e-3
"""A table of few rows is read whole from some batch on, which no straight line knows."""


@pytest.mark.parametrize("engine", ["torch-eager", "torch-compile"])
@pytest.mark.parametrize("mode", ["infer", "train"])
@pytest.mark.parametrize(("workload", "preset"), FAMILIES)
def test_the_planners_stage_times_are_the_predictors(workload: str, preset: str, mode: str, engine: str) -> None:
    case = Case.model_validate(
        {"workload": workload, "preset": preset, "mode": mode, "engine": engine, "precision": "bf16", "backend": "cuda"}
    )
    costs = engine_costs(engine)
    for spec in (CATALOGUE.accelerator("h100_sxm_80gb"), CATALOGUE.accelerator("l4")):
        for table in tables(case, BATCHES, trace=trace_case):
            found = table_times(table, spec, costs=costs, precision="bf16")
            for column, batch in enumerate(table.batches):
                one = case.model_copy(update={"batch_size": batch})
                expected = {name: time.value for name, time in stage_times(one, spec, trace_case(one)).items()}
                assert dict(zip(table.stage_names, found[:, column], strict=True)) == pytest.approx(expected, rel=CLOSE)


@pytest.mark.parametrize(("engine", "share"), [("torch-eager", 1.0), ("torch-compile", 0.9)])
def test_the_bytes_of_a_step_are_those_of_its_operators_less_what_fusion_saves(engine: str, share: float) -> None:
    case = Case(workload="bert", preset="tiny", mode="infer", precision="bf16", backend="cuda")
    (table,) = tables(case, (4,), trace=trace_case)
    moved = trace_case(case.model_copy(update={"batch_size": 4})).moved_bytes
    (found,) = table.step_bytes(engine_costs(engine))
    assert found == pytest.approx(moved, rel=1e-6) if share == 1.0 else found < share * moved


def counted(case: Case, batches: tuple[int, ...]) -> tuple[tuple[OperatorTable, ...], list[int]]:
    """The case's tables, and the batch sizes that were traced for them."""
    asked: list[int] = []

    def trace(one: Case) -> OpTrace:
        asked.append(one.batch_size)
        return trace_case(one)

    return tables(case, batches, trace=trace), asked


def inference(workload: str, preset: str) -> Case:
    return Case(workload=workload, preset=preset, mode="infer", precision="bf16", backend="cuda")


def test_two_traces_tell_every_batch_size_where_operators_agree() -> None:
    found, asked = counted(inference("latent_diffusion", "tiny"), BATCHES)
    assert [table.batches for table in found] == [BATCHES]
    assert asked == [1, 8]


def test_a_batch_of_one_that_differs_stands_alone_and_two_larger_ones_tell_the_rest() -> None:
    found, asked = counted(inference("diffusion_transformer", "flux-tiny"), (1, 2, 4, 16, 32))
    assert [table.batches for table in found] == [(1,), (2, 4, 16, 32)]
    assert asked == [1, 8, 2]
    for column, batch in ((2, 16), (3, 32)):
        one = trace_case(inference("diffusion_transformer", "flux-tiny").model_copy(update={"batch_size": batch}))
        assert found[1].step_flops[column] == pytest.approx(one.flops, rel=CLOSE)


@pytest.mark.parametrize(
    ("workload", "preset"), [("text_to_speech", "vits"), ("bert", "base"), ("vision", "resnet-50"), ("seq2seq", "bart-large")]
)
def test_memory_at_a_large_batch_is_what_a_trace_of_it_holds(workload: str, preset: str) -> None:
    """Through batches 1 and 2 a line gave half of it, or less than nothing: what grew fitted into segments held already."""
    case = inference(workload, preset)
    held = {
        batch: peak
        for table in tables(case, (1, 64), trace=trace_case)
        for batch, peak in zip(table.batches, table.peak_bytes[:], strict=True)
    }
    traced = trace_case(case.model_copy(update={"batch_size": 64}))
    assert held[64] >= traced.peak_bytes
    assert held[64] == pytest.approx(traced.device_held_bytes, rel=0.12)


def test_batch_sizes_beyond_a_librarys_limit_are_left_out() -> None:
    """diffusers cuts CogVideoX's convolutions above 2 GB of input in frames, at last into fewer than a kernel is wide."""
    found, _ = counted(inference("video_diffusion", "cogvideox-2b"), tuple(2**power for power in range(8)))
    assert 4 <= found[-1].batches[-1] < 128
