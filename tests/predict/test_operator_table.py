"""The planner's arrays against the predictor's own sums: one formula, two ways to add it up."""

from __future__ import annotations

import pytest

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core.records import Case
from aigc_bench.predict.engines import engine_costs
from aigc_bench.predict.model import stage_times
from aigc_bench.predict.operator_table import stage_times as table_times
from aigc_bench.predict.operator_table import tables
from aigc_bench.predict.trace_cache import trace_case

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
CLOSE = 1e-5
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
