"""Every key of storage and air moves a number: results that are kept, checkpoints that must be written in time, warm air."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.plan.explain.plan_trail import trail_of
from aigc_bench.plan.placement.room_around import storage_need
from aigc_bench.plan.records.demand import Checkpoints, Dataset, Demand, Growth
from aigc_bench.plan.records.machine import Machine
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.site.storage_system import StorageNeed
from aigc_bench.plan.sizing.stored_data import (
    StoredData,
    drives_needed,
    in_order,
    read_bytes_per_s,
    retained_answers,
    retained_results,
    servers_of_job,
    stored_data,
    written_bytes_per_s,
)
from tests.plan.build import (
    exact,
    make_capability,
    make_demand,
    make_job,
    make_machine,
    make_rules,
    make_service,
    make_site,
    plan_on,
)
from tests.plan.demands import demand_of, plan_of, text_of

BATCH = {"kind": "batch", "mode": "infer", "response_bytes": exact(10.0, "B/token"), "kept_days": exact(7.0, "day")}
ABLE = (make_capability(), make_capability(mode="train", num_params=1e9))


def need(*, disk_bytes: float = 1.0, servers: int = 1, site: dict[str, object] | None = None, **changes: object) -> StorageNeed:
    """Storage of a training job of 1e9 parameters beside the service, 14 bytes each, in 60 s."""
    demand = make_demand(site=make_site(**(site or {})), **changes)
    machine = make_machine(capabilities=ABLE, disk_bytes=exact(disk_bytes, "B"))
    return storage_need(demand, site=demand.site, rules=make_rules(), machine=machine, num_servers=servers)


def test_results_of_a_batch_are_retained_run_after_run() -> None:
    """1,440,000 tokens of 10 bytes a night for a week; those of a weekly run for a day are one run's."""
    nightly, weekly = make_job(**BATCH), make_job(**{**BATCH, "kept_days": exact(1.0, "day"), "runs_per_day": 1 / 7})
    found, rare = retained_results(nightly), retained_results(weekly)
    assert found is not None and rare is not None
    assert found.value == pytest.approx(1_440_000 * 10 * 7)
    assert rare.value == pytest.approx(1_440_000 * 10)
    assert retained_results(make_job()) is None
    assert retained_results(make_job(**{**BATCH, "kept_days": exact(0.0, "day")})) is None


def test_longer_retention_of_results_needs_more_disk() -> None:
    def disk(days: float) -> float:
        jobs = (make_job(**{**BATCH, "kept_days": exact(days, "day")}),)
        plan = plan_on(make_demand(jobs=jobs), machine=make_machine(), rules=make_rules())
        required = plan.options[0].factors["storage"].required
        assert required is not None
        return required.value

    machines = plan_on(make_demand(jobs=(make_job(**BATCH),)), machine=make_machine(), rules=make_rules()).options[0]
    assert disk(14.0) - disk(7.0) == pytest.approx(1_440_000 * 10 * 7 / machines.pools[0].available_machines.value)


def test_a_text_of_a_batch_is_counted_as_a_whole_not_for_each_of_its_tokens() -> None:
    """3,000 answers of 300 tokens: 2 kB and 2 kB each."""
    (job,) = demand_of(text_of("reports", amount=3.0)).jobs
    assert job.items.value == 900_000
    assert job.items.value * job.bytes_per_item.value == pytest.approx(3000 * 2000)
    results = retained_results(job)
    assert results is not None and results.value == pytest.approx(3000 * 2000 * 30)


def test_shared_storage_is_bought_for_the_retained_bytes_at_the_end_of_the_horizon() -> None:
    service, growth = make_service(), Growth(per_year=exact(1.0, "fraction/year"), horizon_years=2.0)
    assert retained_answers(service, growth).value == pytest.approx(4 * retained_answers(service, None).value)
    today, last = (need(jobs=(), growth=one).raw_bytes for one in (None, growth))
    assert last == pytest.approx(4 * today)


def test_checkpoints_are_written_within_the_stall_and_data_read_within_the_window() -> None:
    jobs = (make_job(checkpoints=Checkpoints(stall_s=exact(20.0, "s"))),)
    demand, rules = make_demand(jobs=jobs), make_rules()
    assert written_bytes_per_s(demand, make_machine(capabilities=ABLE), rules) == pytest.approx(14e9 / 20)
    assert read_bytes_per_s(demand, rules) == pytest.approx(1_440_000 * 4 / (28_800 * 0.9))
    found = need(jobs=jobs)
    assert (found.write_bytes_per_s, found.read_bytes_per_s) == (pytest.approx(14e9 / 20), pytest.approx(1_440_000 * 4 / 25_920))


def test_what_the_sites_storage_passes_is_not_bought_again() -> None:
    data = Dataset(name="data", size_bytes=exact(1e12, "B"), copies=exact(1.0, "count"))
    there = {"store_bytes": exact(1e13, "B")}
    assert need(site=there, datasets=(data,)) == StorageNeed(raw_bytes=0.0, is_shared=True), (
        "of unknown pace it is taken to be enough"
    )
    slow = need(site={**there, "store_bytes_per_s": exact(100e6, "B/s")}, datasets=(data,))
    assert slow.raw_bytes == 0 and slow.write_bytes_per_s == pytest.approx(14e9 / 60 - 100e6)
    fast = need(site={**there, "store_bytes_per_s": exact(1e9, "B/s")}, datasets=(data,))
    assert (fast.write_bytes_per_s, fast.read_bytes_per_s) == (0.0, 0.0)


def test_servers_that_hold_everything_write_to_their_own_disks() -> None:
    # A job of one machine; on several a checkpoint is lost with the disk of a failed one.
    slow = make_job(items=exact(1000.0, "tokens"))
    assert need(disk_bytes=1e15, jobs=(slow,)) == StorageNeed(raw_bytes=0.0)


@given(st.floats(1, 1e4), st.floats(1, 100), st.floats(0, 1e12))
def test_a_shorter_stall_never_needs_slower_storage(stall_s: float, longer: float, passes: float) -> None:
    site = {"store_bytes": exact(1e6, "B"), "store_bytes_per_s": exact(passes, "B/s")}
    found = [
        need(site=site, jobs=(make_job(checkpoints=Checkpoints(stall_s=exact(one, "s"))),)) for one in (stall_s, stall_s * longer)
    ]
    assert found[0].write_bytes_per_s >= found[1].write_bytes_per_s


def bought(rest: str) -> list[Option]:
    plan = plan_of(text_of("tuning", amount=50.0, rest=rest), accelerators=("h100_sxm_80gb", "gb200_186gb"))
    return [one for one in plan.options if one.kind == "owned" and not one.parts]


def test_a_slow_store_of_the_site_is_on_the_bill() -> None:
    data = '[[dataset]]\nname = "data"\nsize_gb = 400_000\ncopies = 1\n[site]\nrack_kw = 24\nstore_tb = 900\n'
    fast, slow = (bought(f"{data}store_gb_per_s = {rate}\n") for rate in (100, 0.01))
    for one in slow:
        same = next(other for other in fast if other.server == one.server)
        assert one.capex_usd.value > same.capex_usd.value


def test_air_that_is_too_warm_cools_no_air_cooled_server() -> None:
    cool, warm, hot = (bought(f"[site]\nrack_kw = 24\ninlet_c = {celsius}\n") for celsius in (27, 32, 40))
    assert all("degC" not in one.factors["cooling"].why for one in cool)
    dgx, other = ([one for one in warm if (one.server or "").startswith("dgx") is is_dgx] for is_dgx in (True, False))
    assert any(one.factors["cooling"].verdict == "short" and "allows at most 30 degC" in one.factors["cooling"].why for one in dgx)
    assert all("degC" not in one.factors["cooling"].why for one in other)
    air = [one for one in hot if one.machine is not None and one.machine.cooling == "air"]
    assert air and not any(one.accepted for one in air)
    assert all(any("site.inlet_c" in reason for reason in one.reasons) for one in air)


def test_results_and_temperatures_are_explained() -> None:
    plan = plan_of(text_of("reports", rest="[site]\nrack_kw = 24\ninlet_c = 40\n"), accelerators=("h100_sxm_80gb",))
    option = next(one for one in plan.options if one.kind == "owned")
    trail, at = trail_of(plan, option), f"options.{option.rank}.factors"
    kept = f"{at}.storage.inputs.results_kept_reports"
    assert trail.recomputed(kept) == pytest.approx(trail[kept].value.value)
    assert trail[f"{at}.cooling.inputs.warmest_air_that_the_server_takes"].inputs
    assert trail[f"{at}.cooling.inputs.supplied_air"].value.value == 40


def data_of(demand: Demand, machine: Machine) -> StoredData:
    return stored_data(demand, in_order(demand, machine), machine=machine, rules=make_rules())


def test_what_is_stored_is_data_in_copies_answers_results_job_files_and_checkpoints() -> None:
    """A data set twice, answers of ten days, two jobs' tokens of 4 bytes in two copies, five checkpoints, a week of results."""
    data = Dataset(name="data", size_bytes=exact(1e9, "B"), copies=exact(2.0, "count"))
    jobs = (make_job(name="reports", **BATCH), make_job())
    answers = 1000 * 0.05 / 60 * 2 * 0.25 * 86_400 * 3000 * 10
    expected = 2e9 + answers + 2 * 2 * 1_440_000 * 4 + 1_440_000 * 10 * 7 + 5 * 14e9
    machine = make_machine(capabilities=(ABLE[0], ABLE[0], ABLE[1]))
    assert data_of(make_demand(jobs=jobs, datasets=(data,)), machine).shared_bytes == pytest.approx(expected)
    assert data_of(make_demand(jobs=(), services=()), machine).shared_bytes == 0.0


@pytest.mark.parametrize(("tokens", "servers"), [(1000.0, 1), (1_440_000.0, 2)])
def test_a_training_job_that_spans_servers_writes_checkpoints_to_shared_storage(tokens: float, servers: int) -> None:
    """50 tokens/s on machines of 40 take two; the checkpoints fit each of their disks."""
    demand, machine = make_demand(services=(), jobs=(make_job(items=exact(tokens, "tokens")),)), make_machine(capabilities=ABLE[1:])
    assert servers_of_job(demand.jobs[0], machine.capabilities[0], machine=machine, rules=make_rules()) == servers
    found = storage_need(demand, site=demand.site, rules=make_rules(), machine=machine, num_servers=servers)
    assert found.is_shared is (servers > 1)
    assert (found.raw_bytes > 0) is (servers > 1)


def test_drives_are_ordered_for_what_lies_on_a_server_and_bays_are_finite() -> None:
    rules, machine = make_rules(), make_machine(capabilities=ABLE, disk_bytes=None)
    slow = make_job(items=exact(1000.0, "tokens"))
    kept = {size: Dataset(name="data", size_bytes=exact(size, "B"), copies=exact(1.0, "count")) for size in (1e9, 10e12, 100e12)}
    demands = {size: make_demand(jobs=(slow,), datasets=(data,)) for size, data in kept.items()}
    drives = {size: drives_needed(data_of(demand, machine), num_servers=1, rules=rules) for size, demand in demands.items()}
    # 10 TB over 0.8 take two drives of 7.68 TB; 100 TB fill more than eight bays and lie on shared storage.
    assert drives == {1e9: 1, 10e12: 2, 100e12: 1}


def test_a_server_whose_sheet_names_no_disks_gets_drives_on_its_bill() -> None:
    plan = plan_of(text_of("tuning", amount=50.0, rest="[site]\nrack_kw = 24\n"), accelerators=("h100_sxm_80gb",))
    for option in (one for one in plan.options if one.kind == "owned" and one.room is not None):
        ordered = [line for line in option.room.bill.lines if line.category == "drive"] if option.room else []
        is_known = option.machine is not None and option.machine.disk_bytes is not None
        assert bool(ordered) is not is_known
        assert option.factors["storage"].verdict in ("ok", "tight")
        assert all(line.usd is not None and line.count % option.num_servers == 0 for line in ordered)


def test_rents_keep_data_at_the_provider() -> None:
    plan = plan_of(text_of("tuning", amount=50.0, rest="[site]\nrack_kw = 24\n"), accelerators=("h100_sxm_80gb",))
    rents = [one for one in plan.options if one.kind == "cloud" and not one.parts]
    assert rents and all(one.factors["storage"].verdict == "ok" and "provider" in one.factors["storage"].why for one in rents)
