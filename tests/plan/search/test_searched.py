"""What the search makes of the catalogue's accelerators: settings that engines have, memory by hand, physics in every row."""

from __future__ import annotations

import numpy as np
import pytest

from aigc_bench.plan.records.demand import Job, Service
from aigc_bench.plan.search.candidates import Candidates
from aigc_bench.plan.search.load_candidates import Models, candidates_for, capability_of, is_language, lengths, seq_len
from aigc_bench.plan.search.served_candidates import ENGINES
from aigc_bench.plan.search.trained_candidates import ADAPTER_SHARE, rank_bytes
from aigc_bench.predict.fitting.calibration import shipped_calibration
from aigc_bench.predict.published.name_resolution import resolve_language_model
from tests.plan.demands import HANDFUL, JOBS, SERVICES, catalogue, demand_of, text_of

SPECS = [catalogue().accelerators[name] for name in (*HANDFUL, "v100_sxm2_16gb", "gb200_186gb")]
BYTES_PER_PARAM = 16.0


@pytest.fixture(scope="module")
def models() -> Models:
    return Models(catalogue=catalogue(), calibration=shipped_calibration())


def workload(name: str) -> Service | Job:
    demand = demand_of(text_of(name))
    return (*demand.services, *demand.jobs)[0]


@pytest.fixture(scope="module", params=[*SERVICES, *JOBS])
def found(request: pytest.FixtureRequest, models: Models) -> tuple[Service | Job, Candidates]:
    wanted = workload(request.param)
    candidates = candidates_for(wanted, SPECS, models)
    assert candidates is not None
    return wanted, candidates


def test_every_row_has_positive_rates_and_keeps_littles_law(found: tuple[Service | Job, Candidates]) -> None:
    wanted, rows = found
    for name in ("throughput", "service_s", "memory_bytes", "usable_bytes", "devices", "batch"):
        column = getattr(rows, name)
        assert np.isfinite(column[rows.throughput > 0]).all() and (column[rows.throughput > 0] > 0).all(), name
    if wanted.mode == "infer" and is_language(wanted):
        answered = rows.slots / rows.service_s * lengths(wanted)[1]
        assert np.allclose(answered, rows.throughput)
        assert (rows.ttft_s <= rows.service_s).all()


def test_no_accelerator_draws_more_than_its_limit(found: tuple[Service | Job, Candidates]) -> None:
    _, rows = found
    for spec in SPECS:
        mine = rows.of(spec.id) & ~np.isnan(rows.power_w)
        assert (rows.power_w[mine] <= (spec.tdp_w or np.inf) * (1 + 1e-9)).all()
        assert (rows.usable_bytes[mine] <= spec.memory_bytes).all()


def test_engines_are_searched_where_they_run(models: Models) -> None:
    rows = candidates_for(workload("chat"), SPECS, models)
    assert rows is not None
    for spec in SPECS:
        mine = {rows.engines[int(index)] for index in set(rows.engine[rows.of(spec.id)])}
        assert mine <= {engine for engine, vendors in ENGINES.items() if spec.vendor in vendors}
    allowed = workload("chat").model_copy(update={"engines": ("sglang",), "precisions": ("fp8",)})
    only = candidates_for(allowed, SPECS, models)
    assert only is not None
    assert (only.engines, only.precisions) == (("sglang",), ("fp8",))
    assert not only.of("a100_sxm_80gb").any(), "an A100 has no fp8"


def test_a_faster_batch_of_more_requests_is_never_slower_for_each(models: Models) -> None:
    rows = candidates_for(workload("chat"), SPECS, models)
    assert rows is not None
    mine = rows.of("h100_sxm_80gb") & (rows.devices == 1) & (rows.cap == 1) & (rows.engine == 0) & (rows.precision == 0)
    order = np.argsort(rows.batch[mine])
    assert (np.diff(rows.tpot_s[mine][order]) >= 0).all()
    assert (np.diff(rows.memory_bytes[mine][order]) > 0).all()


def test_memory_of_training_is_that_of_the_handbook() -> None:
    """8.03 billion parameters x 16 bytes over the ranks; 34 s b h of one layer and 2 s b h of the others; 6 bytes a logit."""
    model = resolve_language_model("llama-3.1-8b")
    assert model is not None
    full = {"seq_len": 2048.0, "catalogue": catalogue()}
    one, four = np.array([1.0, 1.0]), np.array([4.0, 1.0])
    found = rank_bytes(model, ranks=four, sequences=one, adapter=False, **full)  # type: ignore[arg-type]
    beside = 2048 * (2 * 32 * 4096 + 34 * 4096 + 6 * 128_256)
    assert found.tolist() == pytest.approx([8.03e9 * 16 / 4 + beside, 8.03e9 * 16 + beside], rel=2e-3)
    adapters = rank_bytes(model, ranks=one[:1], sequences=one[:1], adapter=True, **full)  # type: ignore[arg-type]
    assert adapters[0] == pytest.approx(8.03e9 * (2 + ADAPTER_SHARE * BYTES_PER_PARAM) + beside, rel=2e-3)


def test_a_model_that_no_card_holds_is_trained_on_several(models: Models) -> None:
    job = workload("tuning")
    assert isinstance(job, Job)
    rows = candidates_for(job, SPECS, models)
    assert rows is not None and seq_len(job) == 2048
    assert rows.devices[rows.of("h100_sxm_80gb") & rows.fits].min() >= 2
    adapter = candidates_for(job.model_copy(update={"adapter": True}), SPECS, models)
    assert adapter is not None
    assert adapter.devices[adapter.of("h100_sxm_80gb") & adapter.fits].min() == 1


def test_a_capability_is_of_one_accelerator_and_names_its_setting(found: tuple[Service | Job, Candidates], models: Models) -> None:
    wanted, rows = found
    spec = catalogue().accelerators["h100_sxm_80gb"]
    for index in np.flatnonzero(rows.of(spec.id))[::97]:
        capability = capability_of(wanted, rows, int(index), spec=spec, models=models)
        assert capability.throughput.value * capability.machines_per_replica == pytest.approx(float(rows.throughput[index]))
        assert capability.throughput.low < capability.throughput.value < capability.throughput.high
        assert capability.throughput.unit == f"{wanted.item}s/s"
        assert f"/x{capability.machines_per_replica}/b{capability.batch_size}/cap" in capability.case
        assert capability.num_params and capability.params_bytes
