"""Small demands and machines of round numbers, everything changeable by keyword."""

from __future__ import annotations

from typing import Any

from aigc_bench.core.records import Estimate
from aigc_bench.plan.demand.arrival_rates import from_users
from aigc_bench.plan.hardware.measured_runs import MeasuredMachine
from aigc_bench.plan.planner import plan_on_measured
from aigc_bench.plan.records.demand import Demand, Finance, Job, Service, Site, Slo
from aigc_bench.plan.records.machine import Capability, Machine
from aigc_bench.plan.records.plan import Plan
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.stats.estimates import estimate


def exact(value: float, unit: str) -> Estimate:
    """A figure without an interval."""
    return estimate(value, unit=unit, basis="assumed", source="test")


def make_service(**changes: Any) -> Service:
    """1,000 users, 5 % active, one request a minute, twice that at the peak: 1.667 requests/s of 100 tokens."""
    users, name = changes.pop("users", 1000.0), changes.pop("name", "chat")
    arrival = from_users(
        users=exact(users, "users"),
        active_share=exact(0.05, "fraction"),
        requests_per_minute=exact(1.0, "request/min"),
        peak_factor=exact(2.0, "ratio"),
        duty=exact(0.25, "fraction"),
    )
    plain: dict[str, Any] = {
        "workload": "gpt",
        "item": "token",
        "arrival": arrival,
        "items_per_request": exact(100.0, "tokens/request"),
        "request_bytes": exact(1000.0, "B"),
        "response_bytes": exact(3000.0, "B"),
        "kept_days": exact(10.0, "day"),
        "slo": Slo(latency_s=10.0),
    }
    return Service(name=name, **{**plain, **changes})


def make_job(**changes: Any) -> Job:
    """1,440,000 tokens in eight hours of each night: 50 tokens/s."""
    plain: dict[str, Any] = {
        "name": "training",
        "workload": "gpt",
        "item": "token",
        "items": exact(1_440_000.0, "tokens"),
        "window_s": 28_800.0,
        "bytes_per_item": exact(4.0, "B/token"),
    }
    return Job(**{**plain, **changes})


def make_site(**changes: Any) -> Site:
    """10 kW of feed and 8 kW of cooling a rack."""
    plain: dict[str, Any] = {
        "electricity_usd_per_kwh": exact(0.2, "USD/kWh"),
        "grid_g_per_kwh": exact(400.0, "gCO2e/kWh"),
        "pue": exact(1.5, "ratio"),
        "inlet_rise_k": 10.0,
    }
    amounts = {"rack_power_w": exact(10_000.0, "W"), "rack_cooling_w": exact(8_000.0, "W")}
    water = {"wue_l_per_kwh": exact(0.5, "L/kWh"), "wue_hot_day_ratio": exact(2.0, "ratio")}
    # Amounts that factors declare are given like fields; of_factors replaces those of water.
    fields = {name: value for name, value in changes.items() if name in Site.model_fields and name != "of_factors"}
    given = {name: value for name, value in changes.items() if name not in Site.model_fields}
    merged = {**amounts, **changes.get("of_factors", water), **given}
    return Site(**{**plain, **fields}, of_factors={name: value for name, value in merged.items() if value is not None})


def make_demand(**changes: Any) -> Demand:
    """One service and one job."""
    plain: dict[str, Any] = {
        "name": "test",
        "services": (make_service(),),
        "jobs": (make_job(),),
        "site": make_site(),
        "finance": Finance(
            discount_rate=exact(0.08, "fraction"),
            life_years=3.0,
            residual_share=exact(0.3, "fraction"),
            space_usd_per_kw_month=exact(200.0, "USD/kW-month"),
            adders_share=exact(0.1, "fraction"),
        ),
        "availability": 0.999,
    }
    return Demand(**{**plain, **changes})


def make_rules(**changes: Any) -> Rules:
    """Round rules without intervals."""
    plain = {
        "usable_memory": exact(0.9, "fraction"),
        "usable_storage": exact(0.8, "fraction"),
        "link_goodput": exact(0.9, "fraction"),
        "checkpoint_bytes_per_param": exact(14.0, "B/param"),
        "checkpoints_kept": exact(5.0, "count"),
        "checkpoint_stall_s": exact(60.0, "s"),
        "hours_between_interruptions": exact(50_000.0, "GPU-h"),
        "restart_s": exact(600.0, "s"),
        "dataset_copies": exact(2.0, "count"),
        "beside_load": exact(0.5, "fraction"),
        "ups_efficiency": exact(0.95, "fraction"),
        "machine_availability": exact(0.99, "fraction"),
        "target_utilisation": exact(0.7, "fraction"),
        "off_peak_share": exact(0.1, "fraction"),
        "job_goodput": exact(0.9, "fraction"),
    }
    return Rules(**{**plain, **changes})


def make_capability(**changes: Any) -> Capability:
    """40 tokens/s in steps of one sequence of 20 tokens."""
    mode = changes.get("mode", "infer")
    plain: dict[str, Any] = {
        "case": f"gpt/small/{mode}",
        "workload": "gpt",
        "preset": "small",
        "mode": mode,
        "item": "token",
        "throughput": exact(40.0, "tokens/s"),
        "items_per_step": 20.0,
        "step_latency_s": exact(0.5, "s"),
        "host_memory_bytes": exact(2e9, "B"),
        "params_bytes": 4e8,
        "num_params": 1e8,
    }
    return Capability(**{**plain, **changes})


def make_machine(**changes: Any) -> Machine:
    """A whole server of 1 kW busy and 0.2 kW idle for $10,000."""
    plain: dict[str, Any] = {
        "name": "a machine",
        "server": "a_server",
        "machines_per_server": exact(1.0, "machines/server"),
        "capabilities": (make_capability(), make_capability(mode="train", throughput=exact(25.0, "tokens/s"))),
        "host_memory_bytes": exact(16e9, "B"),
        "network_bits_per_s": exact(1e9, "bit/s"),
        "fabric_bits_per_s": exact(1e11, "bit/s"),
        "disk_bytes": exact(1e12, "B"),
        "peak_power_w": exact(1200.0, "W"),
        "full_power_w": exact(1000.0, "W"),
        "idle_power_w": exact(200.0, "W"),
        "design_heat_w": exact(1300.0, "W"),
        "rack_units": 2,
        "price_usd": exact(10_000.0, "usd"),
        "embodied_kg": exact(1000.0, "kgCO2e"),
    }
    return Machine(**{**plain, **changes})


def plan_on(demand: Demand, *, machine: Machine, rules: Rules) -> Plan:
    """The plan of a demand on machines of one kind."""
    measured = MeasuredMachine(machine=machine, cases={}, num_accelerators=machine.devices_per_server)
    return plan_on_measured(demand, measured=(measured,), rules=rules)
