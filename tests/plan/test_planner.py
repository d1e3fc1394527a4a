"""One whole plan recomputed as a spreadsheet would: plain arithmetic on the stated formulae, to 0.1 %."""

from __future__ import annotations

import math

import pytest

from aigc_bench.plan.records.plan import Option, Plan
from tests.plan.build import make_demand, make_machine, make_rules, plan_on

ABOUT = 1e-3

# Demand: 1,000 users, 5 % active, 1 request a minute, peak x 2, 100 tokens each; mean is a quarter of the peak.
PEAK_REQUESTS_PER_S = 1000 * 0.05 * 1 / 60 * 2
PEAK_TOKENS_PER_S = PEAK_REQUESTS_PER_S * 100
BUSY_DAY = PEAK_TOKENS_PER_S / 40
BUSY_JOB = 1_440_000 / (25 * 28_800 * 0.9)
BY_DAY = BUSY_DAY / 0.7
BY_NIGHT = 0.1 * BY_DAY + BUSY_JOB
REQUIRED = max(BY_DAY, BY_NIGHT)
SERVING = 6

HOURS = 365.25 * 24


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_on(make_demand(), machine=make_machine(), rules=make_rules())


@pytest.fixture(scope="module")
def option(plan: Plan) -> Option:
    return next(option for option in plan.options if option.placement == "pooled")


def num_spares() -> int:
    def works(installed: int) -> float:
        return sum(math.comb(installed, i) * 0.99**i * 0.01 ** (installed - i) for i in range(SERVING, installed + 1))

    return next(spare for spare in range(10) if works(SERVING + spare) >= 0.999)


NUM_SERVERS = SERVING + num_spares()
UTILISATION = (BUSY_DAY * 0.25 + BUSY_JOB / 3) / NUM_SERVERS
MEAN_W = 200 + UTILISATION * 800
KWH = NUM_SERVERS * MEAN_W / 1000 * HOURS


def test_loads_are_rates_over_throughput(plan: Plan) -> None:
    service, job = plan.loads
    assert service.rate_items_per_s.value == pytest.approx(166.667, rel=ABOUT)
    assert service.busy_machines.value == pytest.approx(BUSY_DAY, rel=ABOUT) == pytest.approx(4.1667, rel=ABOUT)
    assert service.items_per_year.value == pytest.approx(166.667 / 4 * HOURS * 3600, rel=ABOUT)
    lost = math.sqrt(2 * 60 * 2.2222 / (50_000 * 3600)) + 600 * 2.2222 / (50_000 * 3600)
    assert job.busy_machines.value == pytest.approx(2.2222 / (1 - lost), rel=ABOUT)
    assert job.items_per_year.value == pytest.approx(1_440_000 * 365.25, rel=ABOUT)


def test_a_request_alone_takes_five_steps(plan: Plan) -> None:
    latency = plan.loads[0].latency_s
    assert latency is not None
    assert latency.value == pytest.approx(100 / 20 * 0.5)


def test_day_and_night_share_six_servers_and_their_spares(option: Option) -> None:
    assert REQUIRED == BY_DAY == pytest.approx(5.952, rel=ABOUT)
    assert option.pools[0].required_machines.value == pytest.approx(REQUIRED, rel=ABOUT)
    assert (option.num_machines.value, option.num_spares, option.num_servers) == (SERVING, num_spares(), NUM_SERVERS)
    assert option.accepted


@pytest.mark.parametrize(
    ("factor", "required", "available"),
    [
        ("compute", REQUIRED, SERVING),
        ("memory", 2e9 + 2e9, 16e9 * 0.9),
        # Three machines of 25 tokens/s train, and sum gradients of 1e8 parameters every half a second.
        ("network", 2 * (2 * 1e8) * 2 / 3 * 8 / 0.5, 1e11 * 0.9),
        (
            "storage",
            30e9 + 2 * 4e8 + PEAK_REQUESTS_PER_S / 4 * 86_400 * 3000 * 10 / SERVING + 1_440_000 * 4 * 2 + 1e8 * 14 * 5,
            1e12 * 0.8,
        ),
        ("cooling", 6 * 1300, 8000),
        ("power", 6 * 1200, 10_000),
    ],
)
def test_every_factor_follows_from_its_formula(option: Option, factor: str, required: float, available: float) -> None:
    found = option.factors[factor]
    assert found.required is not None
    assert found.available is not None
    assert found.headroom is not None
    assert found.required.value == pytest.approx(required, rel=ABOUT)
    assert found.available.value == pytest.approx(available, rel=ABOUT)
    assert found.headroom == pytest.approx(1 - required / available, rel=ABOUT)
    assert found.formula
    assert found.source


def test_compute_binds_and_cooling_binds_next(option: Option) -> None:
    """Head-room: compute 0.8 %, cooling 2.5 %, power 28 %, memory 72 %, storage 92 %, network 100 %."""
    assert (option.bottleneck, option.next_bottleneck) == ("compute", "cooling")
    assert option.num_racks == 2


def test_the_air_and_the_site_are_stated_in_builders_units(option: Option) -> None:
    cooling, power = option.factors["cooling"].inputs, option.factors["power"].inputs
    heat_w = NUM_SERVERS * 1300
    assert cooling["heat of all servers, BTU/h"].value == pytest.approx(heat_w * 3.412, rel=ABOUT)
    assert cooling["airflow"].value == pytest.approx(heat_w * 3.412 / (1.08 * 18), rel=ABOUT)
    assert power["UPS input"].value == pytest.approx(NUM_SERVERS * 1200 / 0.95, rel=ABOUT)
    assert power["site power with cooling"].value == pytest.approx(NUM_SERVERS * 1200 * 1.5, rel=ABOUT)


def test_every_cost_line_follows_from_its_formula(option: Option) -> None:
    capex = NUM_SERVERS * 10_000
    hardware = (capex - 0.3 * capex / 1.08**3) * 0.08 / (1 - 1.08**-3)
    electricity, cooling = KWH * 0.2, KWH * 0.5 * 0.2
    space = NUM_SERVERS * 1.2 * 200 * 12
    adders = 0.1 * (hardware + electricity + cooling + space)
    lines = {line.key: line.usd_per_year.value for line in option.costs}
    assert lines == pytest.approx(
        {"hardware": hardware, "electricity": electricity, "cooling": cooling, "space": space, "adders": adders}, rel=ABOUT
    )
    assert option.capex_usd.value == pytest.approx(capex)
    assert option.opex_usd_per_year.value == pytest.approx(electricity + cooling + space + adders, rel=ABOUT)
    assert option.tco_usd.value == pytest.approx(0.7 * capex + 3 * (electricity + cooling + space + adders), rel=ABOUT)


def test_dollars_per_million_tokens_follow_from_the_years_total(plan: Plan, option: Option) -> None:
    yearly = sum(line.usd_per_year.value for line in option.costs)
    share = BUSY_DAY * 0.25 / (BUSY_DAY * 0.25 + BUSY_JOB / 3)
    tokens = PEAK_TOKENS_PER_S * 0.25 * HOURS * 3600
    found = option.usd_per_unit["chat"]
    assert found.value * 1e6 == pytest.approx(yearly * share / tokens * 1e6, rel=ABOUT)
    assert found.unit == "usd/token"


def test_carbon_is_electricity_and_making(option: Option) -> None:
    assert option.energy_kwh_per_year.value == pytest.approx(KWH, rel=ABOUT)
    assert option.carbon_kg.value == pytest.approx(KWH * 1.5 * 0.4 * 3 + NUM_SERVERS * 1000, rel=ABOUT)


def test_the_fleets_mean_utilisation_is_the_busy_time_over_all_servers(option: Option) -> None:
    assert option.factors["compute"].inputs["mean utilisation of all servers"].value == pytest.approx(UTILISATION, rel=ABOUT)
