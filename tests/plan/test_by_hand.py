"""One whole plan of the catalogue worked out again as a spreadsheet would: plain arithmetic on typed numbers, to 0.1 %.

What the predictor says of an accelerator (throughput, watts, memory, times) is read from the plan; everything after it is
computed here from the stated formulae. Nothing of the planner is called.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.plan.demand.demand_reader import read_demand
from aigc_bench.plan.planner import plan_demand
from aigc_bench.plan.records.machine import Capability
from aigc_bench.plan.records.plan import Option
from aigc_bench.predict.fitting.calibration import shipped_calibration

ABOUT = 1e-3

DEMAND = """
name = "By hand"
availability = 0.999
growth_per_year = 0.2
horizon = "3y"
[[service]]
name = "chat"
workload = "gpt"
preset = "llama-3.1-8b"
rate = 380
duty = 0.25
input_tokens = 1000
output_tokens = 200
request_kb = 5
response_kb = 1
kept = "30d"
[service.slo]
ttft = "2s"
tpot = 0.05
[[training]]
name = "tuning"
workload = "gpt"
preset = "llama-3.1-8b"
tokens = 1_000_000_000
settings = { seq_len = 4096 }
deadline = "8h"
every = "1d"
sample_kb = 0.004
checkpoints_kept = 4
checkpoint_stall = "120s"
[[dataset]]
name = "texts"
size_gb = 200_000
copies = 2
[site]
power_kw = 100
racks = 4
rack_kw = 24
rack_cooling_kw = 25
pue = 1.4
electricity_usd_per_kwh = 0.2
water_m3_per_day = 5
water_usd_per_m3 = 4
wue_l_per_kwh = 0.5
wue_hot_day_ratio = 2
demand_charge_usd_per_kw_month = 10
grid_g_per_kwh = 400
uplink_gbit_per_s = 1
[finance]
discount_rate = 0.08
life = "3y"
residual_share = 0.3
adders_share = 0.1
staff_usd_per_year = 50_000
"""

# The demand.
PEAK_REQUESTS_PER_S, DUTY, TOKENS = 380.0, 0.25, 200.0
GROWTH_LAST = 1.2**3
GROWTH_MEAN = (1.2**3 - 1) / math.log(1.2**3)
JOB_TOKENS, WINDOW_S = 1e9, 8 * 3600.0
# Rules of the catalogue.
TARGET_UTILISATION, OFF_PEAK_SHARE, JOB_GOODPUT, SERVER_AVAILABILITY = 0.7, 0.1, 0.9, 0.995
USABLE_MEMORY, USABLE_STORAGE, LINK_GOODPUT = 0.91, 0.775, 0.9
CHECKPOINT_BYTES_PER_PARAM, DATASET_COPIES = 13.1, 2.0
STALL_S, RESTART_S, HOURS_BETWEEN_INTERRUPTIONS = 120.0, 600.0, 50_700.0
# A DGX H100: eight accelerators of 81,559 MiB and 700 W, 38,557 BTU/h.
DEVICES, DEVICE_BYTES, DEVICE_W = 8, 81_559 * 2**20, 700.0
IDLE_W, PSU, WORST_PSU, MOST_OF_HOST = 2_300.0, 0.94, 0.92, 1.35
# Chassis and two processors; of each module fans, switches and a network card; what MLPerf's logs made of them.
HOST_W = shipped_calibration().constants["step"]["host"] * (60 + 2 * 110 + 8 * (0.13 * 700 + 45))
HEAT_W = 38_557 / 3.412142
# A leaf of 32 ports, a front-end leaf of 16, a management switch of 8, a storage system; 0.6 of all that is drawn in the mean.
LEAF_W, FRONT_LEAF_W, MANAGEMENT_W, STORAGE_W, BESIDE_LOAD = 550.0, 150.0, 6.0, 3_000.0, 0.6
DISK_BYTES, FRONT_END_BITS_PER_S = 30.7e12, 2 * 100e9
SERVER_USD, MAKING_KG = 375_000.0, 4_700.0
HOURS = 365.25 * 24
RACKS = 3


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """The option, the predictor's word on both loads, and the counts of the spreadsheet."""

    option: Option
    chat: Capability
    tuning: Capability
    busy_chat: float
    busy_tuning: float
    required: float
    serving: int
    spares: int

    @property
    def servers(self) -> int:
        return self.serving + self.spares

    @property
    def mean_chat(self) -> float:
        return PEAK_REQUESTS_PER_S * TOKENS * DUTY * GROWTH_MEAN / self.chat.throughput.value

    @property
    def mean_tuning(self) -> float:
        return self.busy_tuning * WINDOW_S / 86_400

    @property
    def utilisation(self) -> float:
        return (self.mean_chat + self.mean_tuning) / (self.servers * DEVICES)

    @property
    def peak_w(self) -> float:
        """Of one server at the upper end of host and power supplies, under the lower of the power limits that were chosen."""
        boards = DEVICE_W * DEVICES
        ends = math.log((boards + MOST_OF_HOST * HOST_W) / (boards + HOST_W)), math.log(PSU / WORST_PSU)
        saved = (1 - max(self.chat.power_cap, self.tuning.power_cap)) * boards / PSU
        return (boards + HOST_W) / PSU * math.exp(math.hypot(*ends)) - saved

    @property
    def kwh(self) -> float:
        assert self.chat.power_w is not None and self.tuning.power_w is not None
        full = DEVICES * max(self.chat.power_w.value, self.tuning.power_w.value)
        full = (full + HOST_W) / PSU
        servers_w = self.servers * (IDLE_W + self.utilisation * (full - IDLE_W))
        return (servers_w + BESIDE_LOAD * other_w(self.servers)) / 1000 * HOURS

    @property
    def it_peak_w(self) -> float:
        return self.servers * self.peak_w + other_w(self.servers)


@pytest.fixture(scope="module")
def sheet(tmp_path_factory: pytest.TempPathFactory) -> Sheet:
    file = tmp_path_factory.mktemp("demand") / "demand.toml"
    file.write_text(DEMAND)
    catalogue = load_catalogue(with_user_files=False)
    plan = plan_demand(read_demand(file, catalogue=catalogue), catalogue=catalogue, accelerators=("h100_sxm_80gb",))
    option = next(one for one in plan.options if (one.kind, one.server) == ("owned", "dgx_h100"))
    assert option.machine is not None
    chat, tuning = option.machine.capabilities
    busy_chat = PEAK_REQUESTS_PER_S * TOKENS * GROWTH_LAST / chat.throughput.value
    without_loss = JOB_TOKENS / (tuning.throughput.value * WINDOW_S * JOB_GOODPUT)
    between_s = HOURS_BETWEEN_INTERRUPTIONS * 3600 / max(without_loss, tuning.machines_per_replica)
    busy_tuning = without_loss / (1 - math.sqrt(2 * STALL_S / between_s) - RESTART_S / between_s)
    by_day = max(busy_chat / TARGET_UTILISATION, machines_that_keep_the_wait(chat))
    by_night = OFF_PEAK_SHARE * by_day
    machines = max(replicas(by_day, chat), replicas(by_night, chat) + max(tuning.machines_per_replica, math.ceil(busy_tuning)))
    serving = math.ceil(machines / DEVICES)
    return Sheet(
        option=option,
        chat=chat,
        tuning=tuning,
        busy_chat=busy_chat,
        busy_tuning=busy_tuning,
        required=max(by_day, by_night + busy_tuning),
        serving=serving,
        spares=next(spare for spare in range(10) if works(serving, serving + spare) >= 0.999),
    )


def machines_that_keep_the_wait(capability: Capability) -> int:
    """Erlang C: the fewest slots in which 95 % of requests wait no longer than the time to first token leaves of 2 s."""
    assert capability.slots is not None and capability.service_s is not None and capability.ttft_s is not None
    service_s, left_s = capability.service_s.value, 2.0 - capability.ttft_s.value
    rate = PEAK_REQUESTS_PER_S * GROWTH_LAST
    load, slots = rate * service_s, math.floor(rate * service_s) + 1
    while waits(slots, load) * math.exp(-(slots / service_s - rate) * left_s) > 0.05:
        slots += 1
    return math.ceil(slots / capability.slots) * capability.machines_per_replica


def waits(slots: int, load: float) -> float:
    blocked = 1.0
    for count in range(1, slots + 1):
        blocked = load * blocked / (count + load * blocked)
    return blocked / (1 - load / slots * (1 - blocked))


def replicas(machines: float, capability: Capability) -> int:
    return max(1, math.ceil(machines / capability.machines_per_replica)) * capability.machines_per_replica


def works(needed: int, installed: int) -> float:
    up = SERVER_AVAILABILITY
    return sum(math.comb(installed, i) * up**i * (1 - up) ** (installed - i) for i in range(needed, installed + 1))


def test_the_fleet_holds_day_and_night_in_whole_replicas_with_spares(sheet: Sheet) -> None:
    option = sheet.option
    assert option.loads[0].busy_machines.value == pytest.approx(sheet.busy_chat, rel=ABOUT)
    assert option.loads[1].busy_machines.value == pytest.approx(sheet.busy_tuning, rel=ABOUT)
    assert option.loads[0].mean_machines.value == pytest.approx(sheet.mean_chat, rel=ABOUT)
    assert option.loads[1].mean_machines.value == pytest.approx(sheet.mean_tuning, rel=ABOUT)
    assert option.pools[0].required_machines.value == pytest.approx(sheet.required, rel=ABOUT)
    assert (option.num_servers, option.num_spares) == (sheet.servers, sheet.spares)
    assert option.num_accelerators == DEVICES * sheet.servers
    assert option.accepted, option.reasons


def check(sheet: Sheet, factor: str, *, required: float, available: float) -> None:
    found = sheet.option.factors[factor]
    assert found.required is not None and found.available is not None
    assert found.required.value == pytest.approx(required, rel=ABOUT)
    assert found.available.value == pytest.approx(available, rel=ABOUT)
    assert found.headroom == pytest.approx(1 - required / available, rel=ABOUT, abs=1e-6)


def test_compute_is_machines_required_against_machines_in_service(sheet: Sheet) -> None:
    check(sheet, "compute", required=sheet.required, available=sheet.serving * DEVICES)


def test_memory_is_the_largest_peak_against_nine_tenths_of_a_device(sheet: Sheet) -> None:
    peaks = [capability.device_memory_bytes.value for capability in (sheet.chat, sheet.tuning) if capability.device_memory_bytes]
    check(sheet, "memory", required=max(peaks), available=DEVICE_BYTES * USABLE_MEMORY)


def test_network_is_a_checkpoint_and_the_data_of_the_job_on_the_link_of_an_accelerator(sheet: Sheet) -> None:
    """The job runs on one server, so that nothing is exchanged between servers; its data lie on the shared system."""
    traffic = PEAK_REQUESTS_PER_S * GROWTH_LAST * (5_000 + 1_000) * 8
    link = FRONT_END_BITS_PER_S / DEVICES * LINK_GOODPUT
    writers = math.ceil(sheet.busy_tuning / sheet.tuning.machines_per_replica) * sheet.tuning.machines_per_replica
    assert writers <= DEVICES
    checkpoint = 8.03e9 * CHECKPOINT_BYTES_PER_PARAM / STALL_S / writers
    required = 8 * (checkpoint + sheet.tuning.throughput.value * 4)
    assert traffic / (sheet.serving * DEVICES) / link < traffic / 1e9 < required / link
    check(sheet, "network", required=required, available=link)


def test_storage_is_all_data_against_the_one_shared_system(sheet: Sheet) -> None:
    """200 TB in two copies fit no server's own disks, which then hold system and weights alone: the store is the scarcer."""
    answers = PEAK_REQUESTS_PER_S * GROWTH_LAST * DUTY * 86_400 * 1_000 * 30
    data, checkpoints = 2 * 200e12 + JOB_TOKENS * 4 * DATASET_COPIES, 8.03e9 * CHECKPOINT_BYTES_PER_PARAM * 4
    check(sheet, "storage", required=answers + data + checkpoints, available=600e12 * USABLE_STORAGE)


def test_cooling_and_power_are_of_two_servers_and_the_switches_in_a_rack(sheet: Sheet) -> None:
    """25 kW of cooling hold 2 x 11.3 kW and all three switches."""
    beside = LEAF_W + FRONT_LEAF_W + MANAGEMENT_W
    assert 2 * HEAT_W + beside < 25_000
    check(sheet, "cooling", required=2 * HEAT_W + beside, available=25_000)
    of_rack = (2 * sheet.peak_w + beside, 24_000.0)
    of_site = (sheet.it_peak_w, 100_000.0)
    scarcer = max(of_rack, of_site, key=lambda pair: pair[0] / pair[1])
    check(sheet, "power", required=scarcer[0], available=scarcer[1])
    heat = sheet.option.factors["cooling"].inputs
    everything = sheet.servers * 38_557 + 3.412142 * other_w(sheet.servers)
    assert heat["heat of all servers, BTU/h"].value == pytest.approx(sheet.servers * 38_557, rel=ABOUT)
    assert heat["airflow"].value == pytest.approx(everything / (1.08 * 20), rel=ABOUT)
    assert heat["refrigeration"].value == pytest.approx(everything / 12_000, rel=ABOUT)
    assert sheet.option.num_racks == math.ceil(sheet.servers / 2) + 1, "the last one is of storage"


def bill_by_hand(sheet: Sheet) -> dict[str, tuple[int, float]]:
    """Count and price of one of every line. Two racks hold two servers each, the third the storage that they cannot cool."""
    servers = sheet.servers
    nics, front, ports = 8 * servers, 2 * (servers + 1), servers + 1 + 2
    racks, peak_w = RACKS, sheet.it_peak_w
    return {
        "dgx_h100": (servers, SERVER_USD),
        "compute_leaf.arista_7060dx5_32": (1, 25_000),
        "compute_NIC_link.aoc_400": (nics, 1_450),
        "front_end_leaf.eth_16x100": (1, 2_500),
        "front_end_NIC_link.aoc_100": (front, 420),
        "management.eth_8x1": (1, 50),
        "management_cable.cat6a": (ports, 28),
        "spare.compute_NIC_link.aoc_400": (math.ceil(0.03 * nics), 1_450),
        "spare.front_end_NIC_link.aoc_100": (math.ceil(0.03 * front), 420),
        "spare.management_cable.cat6a": (math.ceil(0.03 * ports), 28),
        "vast_ebox": (1, 600 * 250),
        "rack": (racks, 2_500),
        "pdu": (2 * racks, 1_500),
        "ups": (math.ceil(peak_w / 25_000) + 1, 25 * 450),
        "cooling_air": (math.ceil(peak_w / 30_000) + 1, 30 * 2_500),
    }


def other_w(servers: int) -> float:
    """Three switches, a storage system, and the optics and plugs of every cable."""
    cables = 8 * servers * 9 + 2 * (servers + 1) * 3.5 + (servers + 3) * 3
    return LEAF_W + FRONT_LEAF_W + MANAGEMENT_W + STORAGE_W + cables


def capex(sheet: Sheet) -> float:
    return sum(count * usd for count, usd in bill_by_hand(sheet).values())


def test_the_bill_of_materials_has_every_line_with_its_count_and_price(sheet: Sheet) -> None:
    """One switch of 32 ports holds the NICs of four servers; 400 TB over 0.775 take the one system of 600 TB."""
    assert sheet.servers == 4
    assert 2 * HEAT_W + STORAGE_W > 25_000 > 2 * HEAT_W + LEAF_W
    assert sheet.option.room is not None
    found = {line.key: line for line in sheet.option.room.bill.lines if line.unit_usd is not None}
    by_hand = bill_by_hand(sheet)
    assert set(found) == set(by_hand)
    for key, (count, usd) in by_hand.items():
        line = found[key]
        assert line.unit_usd is not None
        assert (line.count, line.unit_usd.value) == (count, pytest.approx(usd, rel=ABOUT)), key
    assert sheet.option.capex_usd.value == pytest.approx(capex(sheet), rel=ABOUT)


def kept(sheet: Sheet) -> float:
    """Value after three years: 30 % of servers and networks, 12 of 15 years of racks, UPS and cooling."""
    bill = bill_by_hand(sheet)
    plant = sum(bill[key][0] * bill[key][1] for key in ("rack", "pdu", "ups", "cooling_air"))
    return 0.3 * (capex(sheet) - plant) + 0.8 * plant


def annuity(sheet: Sheet) -> float:
    """Three years at 8 %, with what the purchase is worth at their end."""
    return (capex(sheet) - kept(sheet) / 1.08**3) * 0.08 / (1 - 1.08**-3)


def test_water_is_that_of_the_hottest_day_against_the_limit_of_the_site(sheet: Sheet) -> None:
    check(sheet, "water", required=sheet.it_peak_w / 1000 * 24 * 0.5 * 2 / 1000, available=5.0)


def lines_by_hand(sheet: Sheet) -> dict[str, float]:
    peak_kw = sheet.it_peak_w / 1000
    hardware, electricity = annuity(sheet), sheet.kwh * 0.2
    cooling = sheet.kwh * 0.4 * 0.2
    return {
        "hardware": hardware,
        "electricity": electricity,
        "cooling": cooling,
        "water": sheet.kwh * 0.5 / 1000 * 4,
        "demand_charge": peak_kw * 1.4 * 10 * 12,
        "staff": 50_000,
        "adders": 0.1 * (hardware + electricity + cooling),
    }


def test_every_line_of_a_year_follows_from_its_formula(sheet: Sheet) -> None:
    found = {line.key: line.usd_per_year.value for line in sheet.option.costs}
    assert found == pytest.approx(lines_by_hand(sheet), rel=ABOUT)


def test_running_cost_and_total_cost_are_the_sums_of_the_lines(sheet: Sheet) -> None:
    lines = lines_by_hand(sheet)
    opex = sum(lines.values()) - lines["hardware"]
    assert sheet.option.opex_usd_per_year.value == pytest.approx(opex, rel=ABOUT)
    assert sheet.option.tco_usd.value == pytest.approx(capex(sheet) - kept(sheet) + 3 * opex, rel=ABOUT)


def test_dollars_of_a_million_tokens_are_the_loads_share_of_the_year(sheet: Sheet) -> None:
    busy = sheet.mean_chat + sheet.mean_tuning
    yearly = sum(lines_by_hand(sheet).values())
    answered = PEAK_REQUESTS_PER_S * TOKENS * DUTY * GROWTH_MEAN * HOURS * 3600
    trained = JOB_TOKENS * 365.25
    found = {name: (usd.value * 1e6, usd.unit) for name, usd in sheet.option.usd_per_unit.items()}
    assert found == {
        "chat": (pytest.approx(yearly * sheet.mean_chat / busy / answered * 1e6, rel=ABOUT), "usd/token"),
        "tuning": (pytest.approx(yearly * sheet.mean_tuning / busy / trained * 1e6, rel=ABOUT), "usd/token"),
    }


def test_energy_and_carbon_are_kilowatt_hours_pue_grid_and_making(sheet: Sheet) -> None:
    option = sheet.option
    assert option.energy_kwh_per_year is not None and option.carbon_kg is not None
    assert option.energy_kwh_per_year.value == pytest.approx(sheet.kwh, rel=ABOUT)
    whole = sheet.kwh * 1.4 * 0.4 * 3 + sheet.servers * MAKING_KG
    assert option.carbon_kg.value == pytest.approx(whole, rel=ABOUT)
    share = sheet.mean_chat / (sheet.mean_chat + sheet.mean_tuning)
    answered = PEAK_REQUESTS_PER_S * TOKENS * DUTY * GROWTH_MEAN * HOURS * 3600
    assert option.carbon_kg_per_unit["chat"].value == pytest.approx(whole / 3 * share / answered, rel=ABOUT)
