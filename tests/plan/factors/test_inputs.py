"""Every factor of one small option by hand: what is required, what there is, and each number that they follow from."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import pytest

from aigc_bench.plan.factors.base import judge, scarcest
from aigc_bench.plan.records.demand import Growth
from aigc_bench.plan.records.plan import Assessment, Option
from tests.plan.build import exact, make_capability, make_demand, make_job, make_machine, make_service, make_site
from tests.plan.factors.test_factors import option_of

REQUESTS_PER_S = 1000 * 0.05 / 60 * 2
CHAT_BUSY = REQUESTS_PER_S * 100 / 40
MTTI_S = 50_000 * 3600 / (50 / (25 * 0.9))
TRAINING_LOST = (2 * 60 / MTTI_S) ** 0.5 + 600 / MTTI_S
TRAINING_BUSY = 50 / (25 * 0.9) / (1 - TRAINING_LOST)
TRAFFIC = REQUESTS_PER_S * (1000 + 3000) * 8


@cache
def plain() -> Option:
    """Six machines at work and two spares, pooled: 1.667 requests/s of 100 tokens, and 50 tokens/s of training by night."""
    return option_of()


def values(found: Assessment) -> dict[str, float]:
    return {name: one.value for name, one in found.inputs.items()}


def near(expected: Mapping[str, float]) -> dict[str, object]:
    return {name: pytest.approx(value) for name, value in expected.items()}


def pair(found: Assessment) -> tuple[float | None, float | None]:
    return found.required and found.required.value, found.available and found.available.value


def test_compute_by_hand() -> None:
    found = plain().factors["compute"]
    assert pair(found) == (pytest.approx(CHAT_BUSY / 0.7), 6.0)
    assert values(found) == near(
        {
            "busy machines, chat": CHAT_BUSY,
            "busy machines, training": TRAINING_BUSY,
            "target utilisation": 0.7,
            "off-peak share": 0.1,
            "availability of one server": 0.99,
            "mean utilisation of all servers": (CHAT_BUSY * 0.25 + TRAINING_BUSY / 3) / 8,
        }
    )
    share = 100 * CHAT_BUSY / (CHAT_BUSY + TRAINING_BUSY)
    assert found.why == f"chat takes {share:.3g} % of the busy machines; 2 of 8 servers are spares for 99.9 % availability"
    assert (found.factor, found.title, found.unit, found.verdict) == ("compute", "Compute", "machines", "tight")
    assert found.headroom == pytest.approx(1 - CHAT_BUSY / 0.7 / 6)


def test_memory_by_hand() -> None:
    found = plain().factors["memory"]
    assert pair(found) == (4e9, pytest.approx(16e9 * 0.9))
    assert values(found) == near({"usable share": 0.9, "host memory required": 4e9, "host memory": 16e9})
    assert (found.factor, found.unit, found.verdict) == ("memory", "B", "ok")


def test_network_by_hand() -> None:
    """Three machines of 25 tokens/s sum gradients of 1e8 parameters, two bytes each, every half a second."""
    found = plain().factors["network"]
    exchanged = 2 * (2 * 1e8) * 2 / 3 * 8 / 0.5
    assert pair(found) == (pytest.approx(exchanged), pytest.approx(0.9e11))
    assert values(found) == near(
        {
            "traffic at the peak, chat": TRAFFIC,
            "payload share of the link": 0.9,
            "traffic of all services": TRAFFIC,
            "link rate": 1e9,
            "data of training": 25.0 * 4 * 8,
            "gradients and weights between servers, training": exchanged,
            "compute network of an accelerator": 1e11,
        }
    )
    assert (found.factor, found.unit) == ("network", "bit/s")


def test_storage_by_hand() -> None:
    """Answers of ten days spread over six machines; checkpoints of 14 bytes a parameter, five of them; the data set twice."""
    found = plain().factors["storage"]
    parts = {
        "system and software": 30e9,
        "weights, chat": 4e8,
        "answers kept, chat": REQUESTS_PER_S * 0.25 * 86_400 * 3000 * 10 / 6,
        "weights, training": 4e8,
        "data set, training": 1_440_000 * 4 * 2,
        "checkpoints, training": 5 * 14 * 1e8,
    }
    assert pair(found) == (pytest.approx(sum(parts.values())), pytest.approx(0.8e12))
    rates = {"ingest of one machine, training": 25.0 * 4, "disks of a server": 1e12, "usable share of raw bytes": 0.8}
    assert values(found) == near(parts | rates)
    assert found.why == "limited by the local disks of a server; largest part: system and software"
    assert {name: one.unit for name, one in found.inputs.items() if one.unit != "B"} == {
        "ingest of one machine, training": "B/s",
        "usable share of raw bytes": "fraction",
    }
    assert found.inputs["weights, chat"].basis == "modelled"
    assert found.inputs["weights, chat"].source == "parameters of gpt/small/infer"


def test_cooling_by_hand() -> None:
    """1 W is 3.412 BTU/h, 3,517 W a ton; a CFM takes 1.08 BTU/h a degree Fahrenheit."""
    found = plain().factors["cooling"]
    assert pair(found) == (6 * 1300.0, 8000.0)
    everything = 8 * 1300.0
    assert values(found) == {
        name: pytest.approx(value, rel=1e-3)
        for name, value in {
            "design heat of one server": 1300.0,
            "servers in the fullest rack": 6.0,
            "heat of all servers": everything,
            "heat of all servers, BTU/h": everything * 3.412,
            "heat of the IT": everything,
            "refrigeration": everything / 3517,
            "rise of the air": 10.0,
            "airflow": everything * 3.412 / (1.08 * 18),
        }.items()
    }
    units = {name: one.unit for name, one in found.inputs.items()}
    assert units == {
        "design heat of one server": "W",
        "servers in the fullest rack": "servers",
        "heat of all servers": "W",
        "heat of all servers, BTU/h": "BTU/h",
        "heat of the IT": "W",
        "refrigeration": "ton",
        "rise of the air": "K",
        "airflow": "CFM",
    }
    assert found.why == "6 servers in the fullest rack"


def test_power_by_hand() -> None:
    found = plain().factors["power"]
    assert pair(found) == (6 * 1200.0, 10_000.0)
    assert values(found) == near(
        {
            "peak power of one server": 1200,
            "servers in the fullest rack": 6,
            "idle power of one server": 200,
            "power of one server at work": 1000,
            "peak power of all servers": 9600,
            "peak power of the IT": 9600,
            "UPS input": 9600 / 0.95,
            "site power with cooling": 9600 * 1.5,
            "PUE": 1.5,
        }
    )
    assert {one.unit for name, one in found.inputs.items() if name not in ("PUE", "servers in the fullest rack")} == {"W"}
    assert found.why == "6 servers on the fullest rack's feed"
    assert found.inputs["servers in the fullest rack"].source


def test_the_power_of_the_whole_site_speaks_where_it_is_the_scarcer() -> None:
    site = make_site(power_w=exact(9_700.0, "W"))
    found = option_of(demand=make_demand(site=site)).factors["power"]
    assert pair(found) == (9600.0, 9700.0)
    assert found.why == "all servers, switches and storage on the site's IT power"
    roomy = option_of(demand=make_demand(site=make_site(power_w=exact(96_000.0, "W")))).factors["power"]
    assert roomy.why == "6 servers on the fullest rack's feed"


@pytest.mark.parametrize(
    ("cooling", "inlet_c", "limit_c", "available", "words"),
    [
        ("air", 30.0, 27.0, 0.0, "supplied air is 30 degC, this server allows at most 27 degC"),
        ("air", 27.0, 27.0, 8000.0, "6 servers in the fullest rack"),
        ("air", None, 27.0, 8000.0, "6 servers in the fullest rack"),
        ("air", 30.0, None, 8000.0, "6 servers in the fullest rack"),
        ("direct_liquid", None, None, 0.0, "this server is built for direct liquid; the site has air"),
    ],
)
def test_air_that_is_too_warm_or_the_wrong_medium_cools_nothing(
    cooling: str, inlet_c: float | None, limit_c: float | None, available: float, words: str
) -> None:
    limit = None if limit_c is None else exact(limit_c, "degC")
    machine = make_machine(cooling=cooling, inlet_limit_c=limit)
    found = option_of(
        machine, demand=make_demand(site=make_site(inlet_c=None if inlet_c is None else exact(inlet_c, "degC")))
    ).factors["cooling"]
    assert found.available is not None and (found.available.value, found.available.unit) == (available, "W")
    assert found.why == words
    told = {name: one.value for name, one in found.inputs.items() if "air" in name and "rise" not in name}
    expected = {"warmest air that the server takes": 27.0, "supplied air": 30.0} if words.startswith("supplied air") else {}
    assert {name: value for name, value in told.items() if name != "airflow"} == expected


def test_answers_grow_with_the_demand_and_checkpoints_and_results_follow_the_job() -> None:
    growth = Growth(per_year=exact(1.0, "fraction/year"), horizon_years=2.0)
    job = make_job(kind="batch", mode="infer", response_bytes=exact(10.0, "B/token"), kept_days=exact(7.0, "day"))
    option = option_of(demand=make_demand(growth=growth, jobs=(job,)))
    machines = option.pools[0].available_machines.value
    found = values(option.factors["storage"])
    assert found["answers kept, chat"] == pytest.approx(4 * REQUESTS_PER_S * 0.25 * 86_400 * 3000 * 10 / machines)
    assert found["results kept, training"] == pytest.approx(1_440_000 * 10 * 7 / machines)
    assert "checkpoints, training" not in found
    assert values(option.factors["network"])["traffic at the peak, chat"] == pytest.approx(4 * TRAFFIC)
    short = option_of(demand=make_demand(services=(make_service(kept_days=exact(0.5, "day")),)))
    assert "answers kept, chat" in values(short.factors["storage"])
    silent = option_of(demand=make_demand(services=(make_service(kept_days=exact(0.0, "day")),)))
    assert "answers kept, chat" not in values(silent.factors["storage"])


def test_weights_that_were_measured_with_the_throughput_are_measured() -> None:
    seen = exact(40.0, "tokens/s").model_copy(update={"basis": "measured"})
    able = (make_capability(throughput=seen), make_capability(mode="train", params_bytes=None))
    inputs = option_of(make_machine(capabilities=able)).factors["storage"].inputs
    assert inputs["weights, chat"].basis == "measured"
    assert "weights, training" not in inputs


def test_where_nothing_is_asked_nothing_is_required() -> None:
    nothing = exact(0.0, "request/s")
    service = make_service()
    idle = service.model_copy(update={"arrival": service.arrival.model_copy(update={"peak_requests_per_s": nothing})})
    found = option_of(demand=make_demand(services=(idle,), jobs=())).factors
    assert (pair(found["compute"]), found["compute"].verdict, found["compute"].why) == ((0.0, 0.0), "ok", "no load")
    assert all(one.verdict in ("ok", "unknown") for one in found.values())
    for one in found.values():
        assert one.required is not None and one.required.unit == one.unit == (one.available or one.required).unit


def test_the_first_of_equally_scarce_pairs_speaks_and_something_of_nothing_before_all() -> None:
    tight, none = (exact(9, "B"), exact(10, "B")), (exact(1, "B"), exact(0, "B"))
    nothing = (exact(0, "B"), exact(0, "B"))
    assert scarcest({"a": tight, "b": tight}) == "a"
    assert scarcest({"a": tight, "b": none}) == "b"
    assert scarcest({"a": nothing, "b": tight}) == "b"
    assert scarcest({"a": nothing}) is None
    assert judge(exact(-1, "W"), exact(0, "W")) == (None, "ok")


def test_of_dedicated_pools_the_one_with_least_room_speaks_for_compute() -> None:
    """Chat asks 5.95 of 6 machines, training 2.22 of 3."""
    option = option_of(placement="dedicated")
    rooms = {pool.loads: 1 - pool.required_machines.value / pool.available_machines.value for pool in option.pools}
    found = option.factors["compute"]
    assert len(rooms) == 2 and found.headroom == pytest.approx(min(rooms.values()))
    assert found.why.startswith("chat takes 100 % of the busy machines")


def test_the_scarcest_pool_speaks_wherever_it_stands() -> None:
    """Twice the tokens by night: training asks 4.45 of 5 machines, chat of fewer users 1.79 of 2."""
    demand = make_demand(services=(make_service(users=200.0),), jobs=(make_job(items=exact(2_020_000.0, "tokens")),))
    option = option_of(demand=demand, placement="dedicated")
    rooms = [1 - pool.required_machines.value / pool.available_machines.value for pool in option.pools]
    assert rooms[1] < rooms[0], "the second pool is the scarcer"
    found = option.factors["compute"]
    assert found.headroom == pytest.approx(rooms[1])
    assert found.why.startswith("training takes 100 % of the busy machines")


@pytest.mark.parametrize(("services", "jobs", "models"), [(1, 1, 2), (3, 1, 4), (1, 3, 2), (2, 0, 2)])
def test_every_service_and_one_job_lie_in_memory_at_once(services: int, jobs: int, models: int) -> None:
    demand = make_demand(
        services=tuple(make_service(name=f"service {place}") for place in range(services)),
        jobs=tuple(make_job(name=f"job {place}") for place in range(jobs)),
    )
    found = option_of(demand=demand).factors["memory"]
    assert found.why.endswith(f"with up to {models} models resident") and pair(found)[0] == models * 2e9
