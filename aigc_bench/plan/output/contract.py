"""Write a plan as JSON and CSV; the same plan gives the same bytes.

``contract`` is the output of ``plan --json`` and ``plan.json``, on which programs rely. Estimates are
``{value, low, high, unit, basis}``. ``options.csv`` and ``bill.csv`` have of an Estimate its value alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from aigc_bench.core.csv_file import write_csv
from aigc_bench.core.json_text import json_text
from aigc_bench.core.records import Estimate, Record
from aigc_bench.core.trail import Step
from aigc_bench.plan.explain.plan_trail import trail_of
from aigc_bench.plan.options.measure import measure_of
from aigc_bench.plan.output.plan_view import PlanView
from aigc_bench.plan.output.recommendation_view import RecommendationView
from aigc_bench.plan.records.machine import Load
from aigc_bench.plan.records.plan import HOURS_PER_YEAR, OPTION_COLUMNS, Assessment, Option, Rent
from aigc_bench.plan.site.bill import BillLine

CONTRACT_VERSION = 1


def contract(view: PlanView) -> dict[str, Any]:
    """Return the plan as plain JSON types: options by rank with their factors, the recommendation, its basis."""
    plan, best, basis = view.plan, view.recommendation, view.basis
    is_recommended, trail = best is not None and best.is_recommended, trail_of(plan)
    return {
        "schema_version": CONTRACT_VERSION,
        "demand": plan.demand.name,
        "recommendation": _recommendation(best) if best is not None and is_recommended else None,
        "why_none": plan.why_none,
        "options": [_option(option) for option in plan.options],
        "certainty": _plain(plan.certainty),
        "most": _plain(plan.most),
        "owned": _plain(plan.owned),
        "quotes": [_plain(one) for one in plan.quotes],
        "rests_on": [one.model_dump(mode="json") for one in basis.numbers] if is_recommended else [],
        "next_measurements": [one.model_dump(mode="json") for one in basis.measurements],
        "assumptions": [
            {"key": one.key, "title": one.title, **figure(one.value), "source": one.value.source} for one in plan.assumptions
        ],
        "unplanned": [one.model_dump(mode="json") for one in plan.unplanned],
        "refused": [one.model_dump(mode="json") for one in plan.refused],
        "not_included": list(plan.not_included),
        "notes": list(plan.notes),
        "derivations": {key: _derivation(step) for key, step in trail.reach(trail).items()},
        "num_candidates": plan.num_candidates,
        "method": plan.method,
    }


def _recommendation(best: RecommendationView) -> dict[str, Any]:
    """Return what is recommended and why, with the ranks of the options that are statistically tied."""
    option = best.option
    return {"rank": option.rank, "kind": option.kind, "what": best.what, "why": best.why, "as_good_as": list(best.tied)}


def _derivation(step: Step) -> dict[str, Any]:
    """Return how a number of the recommended option or of the demand is derived; ``arithmetic`` numbers its inputs by place."""
    given = {"formula": step.formula, "arithmetic": step.arithmetic, "source": step.source, "inputs": list(step.inputs)}
    return {"title": step.title, **figure(step.value), **{name: content for name, content in given.items() if content}}


def figure(estimate: Estimate) -> dict[str, Any]:
    """Return an Estimate without its source."""
    return {name: getattr(estimate, name) for name in ("value", "low", "high", "unit", "basis")}


def _or_none(estimate: Estimate | None) -> dict[str, Any] | None:
    return None if estimate is None else figure(estimate)


def _plain(value: object) -> Any:
    """Return records as objects by their fields, Estimates as everywhere in the contract."""
    if isinstance(value, Estimate):
        return figure(value)
    if isinstance(value, Record):
        # Excluded fields are derivations: objects of the process, not numbers of the plan.
        return {name: _plain(getattr(value, name)) for name, field in type(value).model_fields.items() if not field.exclude}
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, date):
        return value.isoformat()
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def _option(option: Option) -> dict[str, Any]:
    return {
        **{
            name: getattr(option, name)
            for name in (
                "rank", "kind", "term", "provider", "accelerator", "server", "num_servers", "num_spares", "num_margin",
                "num_accelerators",
                "num_racks", "placement", "accepted",
            )
        },
        "reasons": list(option.reasons),
        "factors": {name: _factor(found) for name, found in option.factors.items()},
        "bottleneck": option.bottleneck,
        "next_bottleneck": option.next_bottleneck,
        **{name: figure(getattr(option, name)) for name in ("capex_usd", "opex_usd_per_year", "tco_usd")},
        "usd_per_unit": _figures(option.usd_per_unit),
        "expected_cost_usd": measure_of(option, "expected"),
        "cost_p10_usd": option.tco_usd.low if option.cost_p10_usd is None else option.cost_p10_usd,
        "cost_p90_usd": option.tco_usd.high if option.cost_p90_usd is None else option.cost_p90_usd,
        "expected_regret_usd": option.expected_regret_usd,
        "confirmed": option.confirmed,
        "p_slo": option.p_slo,
        "p_budget": option.p_budget,
        "p_oom": option.p_oom,
        "replay": _replay(option),
        "energy_kwh_per_year": _or_none(option.energy_kwh_per_year),
        "carbon_kg": _or_none(option.carbon_kg),
        "carbon_kg_per_unit": _figures(option.carbon_kg_per_unit),
        "costs": [
            {"key": line.key, "name": line.name, "formula": line.formula, **figure(line.usd_per_year)} for line in option.costs
        ],
        "rent": _rent(option.rent),
        "loads": [_load(load, option) for load in option.loads],
        "bill": [
            {"key": line.key, "name": line.name, "category": line.category, "count": line.count, "usd": _or_none(line.usd)}
            for line in (option.room.bill.lines if option.room else ())
            if line.count
        ],
        # Parts are simulated together, so the verdict on the whole is theirs.
        "parts": [{**_option(part), "confirmed": option.confirmed} for part in option.parts],
    }  # fmt: skip


def _rent(rent: Rent | None) -> dict[str, Any] | None:
    """Return what is rented in plain numbers: instances_mean x usd_per_instance_hour x hours_per_year = usd_per_year."""
    if rent is None:
        return None
    plain = ("provider", "region", "term", "instance", "instances_at_most")
    numbers = ("accelerators_per_instance", "instances_mean", "usd_per_instance_hour", "usd_per_accelerator_hour", "usd_per_year")
    return {
        **{name: getattr(rent, name) for name in plain},
        **{name: getattr(rent, name).value for name in numbers},
        "hours_per_year": HOURS_PER_YEAR,
        "instances_by_year": [count.value for count in rent.instances_by_year],
        "years": list(rent.years),
        "lines": [_rent(line) for line in rent.lines],
    }


def _replay(option: Option) -> dict[str, Any] | None:
    """Return the simulation and the analytic result, with the gap between them."""
    if option.replay is None:
        return None
    services = [{**one.model_dump(mode="json"), "gap": one.gap} for one in option.replay.services]
    return {**option.replay.model_dump(mode="json"), "services": services, "is_met": option.replay.is_met}


def _figures(found: Mapping[str, Estimate]) -> dict[str, dict[str, Any]]:
    return {name: figure(value) for name, value in found.items()}


def _factor(found: Assessment) -> dict[str, Any]:
    """Return the numbers of an assessment, and the words that explain them."""
    return {
        "required": _or_none(found.required),
        "available": _or_none(found.available),
        "unit": found.unit,
        "headroom": found.headroom,
        "verdict": found.verdict,
        "why": found.why,
        "formula": found.formula,
        "source": found.source,
        "inputs": {name: {**figure(value), "source": value.source} for name, value in found.inputs.items()},
    }


def _load(load: Load, option: Option) -> dict[str, Any]:
    machine = option.machine
    capability = next((one for one in machine.capabilities if one.case == load.case), None) if machine else None
    return {
        "name": load.name,
        "setting": load.case,
        "peak": figure(load.rate_items_per_s),
        "accelerators_busy_at_peak": figure(load.busy_machines),
        "items_per_year": figure(load.items_per_year),
        "throughput_per_accelerator": figure(capability.throughput) if capability else None,
        "ttft_s": _or_none(capability.ttft_s) if capability else None,
        "tpot_s": _or_none(capability.tpot_s) if capability else None,
        "latency_s": _or_none(load.latency_s),
    }


BILL_COLUMNS = ("key", "name", "category", "count", "unit_usd", "usd", "source")


def write_files(view: PlanView, folder: Path) -> None:
    """Write the files into a folder, which is created if needed; files of the same name are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plan.json").write_text(f"{json_text(contract(view))}\n", encoding="utf-8")
    write_csv(folder / "options.csv", [OPTION_COLUMNS, *(option.cells for option in view.plan.options)])
    # The page also shows what an alternative purchase would hold; bill.csv is of what is recommended alone.
    bills = view.bills if view.bought is view.plan.recommended else ()
    write_csv(folder / "bill.csv", [BILL_COLUMNS, *(_line(line) for bill in bills for line in bill.lines)])


def _line(line: BillLine) -> list[object]:
    each, total = line.unit_usd, line.usd
    # None where there is no price: an empty cell, never a zero.
    return [line.key, line.name, line.category, line.count, each and each.value, total and total.value, line.source]
