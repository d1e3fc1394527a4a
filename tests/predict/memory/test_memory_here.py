"""The memory of a real run compared with its prediction: every family in training and inference, without false fits."""

from __future__ import annotations

from pathlib import Path

import pytest

from aigc_bench.analyze.rows import metric_rows
from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core import registry
from aigc_bench.core.records import Case
from aigc_bench.measure.store import load_run
from aigc_bench.predict.machine_card import ProbedAccelerator
from aigc_bench.predict.model import predict_case

RUN = load_run(Path(__file__).parents[3] / "reports" / "sample")
CATALOGUE = load_catalogue(with_user_files=False)
PEAKS = {row.case: row.value for row in metric_rows(RUN) if row.metric == "memory_host_peak"}
CASES = [case for case in RUN.info.cases if PEAKS.get(case.id)]
LIBRARIES = {name for case in RUN.info.cases for name in registry.load("workloads", case.workload).imports(case)}


def host(memory_bytes: float) -> ProbedAccelerator:
    """A machine whose speed does not matter here."""
    return ProbedAccelerator(
        id="@host", name="a host", source="this test", as_of="2026", basis="measured", machine="host:test", backend="cpu",
        peak_flops={"fp32": 1e11}, memory_bytes=int(memory_bytes), usable_memory_bytes=int(memory_bytes),
        memory_bandwidth_bytes_per_s=1e10,
    )  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.workload}-{case.mode}")
def test_memory_is_within_eight_per_cent_and_fits_only_where_it_did(case: Case) -> None:
    measured = PEAKS[case.id]
    assert measured is not None
    tight = {row.metric: row for row in predict_case(case, host(0.95 * measured), catalogue=CATALOGUE, libraries=LIBRARIES)}
    assert tight["memory_host_peak"].value == pytest.approx(measured, rel=0.08)
    assert {"may_not_fit", "does_not_fit"} & set(tight["p_fits"].reasons)
    ample = {row.metric: row for row in predict_case(case, host(2 * measured), catalogue=CATALOGUE, libraries=LIBRARIES)}
    assert not {"may_not_fit", "does_not_fit"} & set(ample["p_fits"].reasons)
    assert ample["p_fits"].value > tight["p_fits"].value
