"""A factor in a third party's package: one file and an entry point, and every part of a plan has it without an edit elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]

FACTOR = '''
"""Hands: do the technicians of the site have the time that the servers take?"""

from aigc_bench.plan.factors.base import Factor
from aigc_bench.plan.records.plan import CostLine
from aigc_bench.plan.records.factor_keys import ColocationKey, DemandKey, SiteKey
from aigc_bench.plan.stats.estimates import assumed, estimate, plus, times

HOURS = {
    "owned": assumed(1.0, low=0.5, high=2.0, unit="h/week", source="hours of a technician per server, this test"),
    "colocated": assumed(0.5, low=0.25, high=1.0, unit="h/week", source="the same with remote hands, this test"),
    "cloud": assumed(0.1, low=0.05, high=0.2, unit="h/week", source="hours per instance, this test"),
    "api": assumed(2.0, low=1.0, high=4.0, unit="h/week", source="hours per service, this test"),
}


class Hands(Factor):
    """Hours a week that servers take against those of the site's technicians."""

    title = "Technicians"
    unit = "h/week"
    order = 90
    formula = "required = servers x hours per server + hours on call; available = hours of the technicians"
    source = "this test"
    demand_keys = (
        DemandKey(
            name="on_call_h_per_week",
            title="hours on call",
            meaning="hours a week on call, however many servers there are (default: 0)",
            unit="h/week",
            low=0.1,
            high=168,
            is_zero_allowed=True,
            default=lambda catalogue: assumed(0.0, unit="h/week", source="nobody is on call, this test"),
        ),
    )
    colocation_keys = (
        ColocationKey(
            name="remote_hands_h_per_week",
            title="hours of remote hands",
            meaning="hours a week of remote hands (default: as many as are needed)",
            unit="h/week",
            low=0.1,
            high=1e6,
            instead_of=("technician_h_per_week",),
            default=lambda catalogue, cooling: assumed(1e4, unit="h/week", source="remote hands by the hour, this test"),
        ),
    )
    site_keys = (
        SiteKey(
            name="technician_h_per_week",
            title="hours of the technicians",
            meaning="hours a week of the technicians (default: 40)",
            unit="h/week",
            low=0.1,
            high=1e6,
            default=lambda catalogue, site: assumed(40.0, unit="h/week", source="one technician, this test"),
        ),
        SiteKey(
            name="technician_usd_per_h",
            title="pay of a technician",
            meaning="pay of a technician",
            unit="USD/h",
            low=0.01,
            high=1e4,
        ),
    )

    def assess(self, context):
        """Assess the servers with the hours of one server in such a place."""
        return self._judged(context.demand, context.site, HOURS[context.kind], number=context.num_servers)

    def assess_api(self, demand):
        """Assess an API by the hours that each service takes."""
        return self._judged(demand, demand.site, HOURS["api"], number=len(demand.services))

    def _judged(self, demand, site, each, *, number):
        count = estimate(number, unit="servers", basis="modelled", source="counted")
        hours, on_call = site.of_factors["technician_h_per_week"], demand.of_factors["on_call_h_per_week"]
        return self.conclude(
            required=plus(times(count, each, unit="h/week"), on_call),
            available=hours,
            why=f"{number} to look after",
            inputs={"servers": count, "hours per server": each, "hours on call": on_call, "hours of the technicians": hours},
        )

    def remedy(self, found, limits):
        """Return the hours that would suffice."""
        return f"{found.required.value:.1f} h a week (site.technician_h_per_week) would change that"

    def cost_lines(self, context):
        """Return the pay of the technicians, where it is stated."""
        pay, hours = context.demand.site.of_factors.get("technician_usd_per_h"), self.assess(context).required
        if pay is None:
            return ()
        year = times(hours, pay, estimate(52, unit="week/year", basis="datasheet", source="calendar"), unit="usd/year")
        formula = "hours a week x pay x 52"
        fed = {"hours a week": hours, "pay": pay}
        return (CostLine(key="technicians", name="technicians", usd_per_year=year, formula=formula, inputs=fed),)


factor = Hands()
'''

DEMAND = """
name = "a chat"
on_call_h_per_week = {on_call}
[[service]]
name = "chat"
workload = "gpt"
preset = "llama-3.1-8b"
rate = 20
input_tokens = 800
output_tokens = 200
[colocation]
remote_hands_h_per_week = {remote}
[site]
technician_usd_per_h = 50
technician_h_per_week = {technicians}
"""
ON_CALL, REMOTE, OWN = 3, 5000, 40

LOOKS = """
import json, sys
from aigc_bench import api
from aigc_bench.cli.plan_screen import screen
from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core.errors import UsageError
from aigc_bench.plan.demand.demand_reader import read_demand
from aigc_bench.plan.demand.manual import keys
from aigc_bench.plan.explain.plan_trail import explain, resolve, trail_of
from aigc_bench.plan.output.contract import contract
from aigc_bench.plan.output.plan_view import plan_view
from aigc_bench.report.plan.plan_report import render_plan

def mistake(path):
    try:
        return api.plan(path) and ""
    except UsageError as problem:
        return str(problem)

roomy, short, wrong, silent = sys.argv[1:]
plain = read_demand(silent, catalogue=load_catalogue(with_user_files=False))
plan, refused = (api.plan(path, accelerators=["l40s", "h100_sxm_80gb"]) for path in (roomy, short))
again, inputs = {}, {}
for one in plan.options:
    if not one.parts:
        trail, at = trail_of(plan, one), f"options.{one.rank}"
        keys_of = [f"{at}.factors.hands.{side}" for side in ("required", "available")]
        keys_of += [key for key in [f"{at}.costs.technicians"] if key in trail]
        again |= {key: [trail[key].value.value, trail.recomputed(key)] for key in keys_of}
        inputs[one.kind] = [*trail[keys_of[0]].inputs, *trail[keys_of[1]].inputs]
owned = next(one.rank for one in plan.options if one.kind == "owned" and not one.parts)
print(json.dumps({
    "plan": contract(plan_view(plan)),
    "refused": contract(plan_view(refused)),
    "again": again,
    "inputs": inputs,
    "words": explain(plan, f"options.{owned}.factors.hands.required"),
    "screen": screen(plan_view(plan)),
    "page": render_plan(plan_view(plan), version="test"),
    "keys": [one.key for one in keys()],
    "assumptions": {one.key: one.title for one in plan.assumptions},
    "mistake": mistake(wrong),
    "defaults": [
        one.value
        for table in (plain, plain.site, plain.colocation)
        for name, one in table.of_factors.items()
        if name.endswith("h_per_week")
    ],
}))
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """Everything that a user sees of plans made with the package on the path; one plan has technicians for few servers."""
    folder = tmp_path_factory.mktemp("third_party")
    (folder / "third_party_hands.py").write_text(FACTOR)
    info = folder / "third_party_hands-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party-hands\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[aigc_bench.factors]\nhands = third_party_hands\n")
    files = {
        "roomy": DEMAND.format(on_call=ON_CALL, remote=REMOTE, technicians=OWN),
        "short": DEMAND.format(on_call=0, remote=0.1, technicians=0.1),
        "wrong": DEMAND.format(on_call=-1, remote=-2, technicians=-3),
        "silent": "\n".join(line for line in DEMAND.splitlines() if "h_per_week" not in line),
    }
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text)
    paths = [str(folder / f"{name}.toml") for name in files]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), str(ROOT)))}
    done = subprocess.run([sys.executable, "-c", LOOKS, *paths], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_it_is_judged_however_machines_are_procured_and_for_an_api(seen: Mapping[str, Any]) -> None:
    options = seen["plan"]["options"]
    assert {one["kind"] for one in options} == {"owned", "colocated", "cloud", "api"}
    for one in options:
        hands = one["factors"]["hands"]
        assert list(one["factors"])[-1] == "hands"
        available = REMOTE if one["kind"] == "colocated" else OWN
        assert hands["headroom"] == pytest.approx(1 - hands["required"]["value"] / available)
        assert set(hands["inputs"]) == {"servers", "hours per server", "hours on call", "hours of the technicians"}
    per_server = {one["kind"]: one["factors"]["hands"]["inputs"]["hours per server"]["value"] for one in options}
    assert per_server == {"owned": 1.0, "colocated": 0.5, "cloud": 0.1, "api": 2.0}


def test_what_it_asks_of_the_demand_counts_in_every_kind(seen: Mapping[str, Any]) -> None:
    for one in seen["plan"]["options"]:
        hands = one["factors"]["hands"]
        servers, each = (hands["inputs"][name]["value"] for name in ("servers", "hours per server"))
        assert hands["required"]["value"] == pytest.approx(servers * each + ON_CALL)
        assert "demand.on_call_h_per_week" in seen["inputs"][one["kind"]]


def test_what_a_colocation_offers_applies_there_instead_of_what_the_site_has(seen: Mapping[str, Any]) -> None:
    assert "demand.colocation.remote_hands_h_per_week" in seen["inputs"]["colocated"]
    assert "demand.site.technician_h_per_week" in seen["inputs"]["owned"]
    for one in seen["plan"]["options"]:
        # A mixed option has the assessment of its scarcest part.
        if one["kind"] == "colocated":
            assert one["factors"]["hands"]["available"]["value"] == REMOTE


def test_a_shortage_refuses_every_kind_with_its_remedy_and_binds(seen: Mapping[str, Any]) -> None:
    assert seen["refused"]["recommendation"] is None
    by_kind = {one["kind"]: one for one in seen["refused"]["options"] if one["factors"]["hands"]["verdict"] == "short"}
    assert {"owned", "colocated", "api"} <= set(by_kind)
    for one in by_kind.values():
        reason = next(reason for reason in one["reasons"] if reason.startswith("hands: "))
        assert reason.endswith("h a week (site.technician_h_per_week) would change that")
        assert not one["accepted"]
    assert by_kind["api"]["bottleneck"] == "hands"


def test_its_numbers_are_explained_by_arithmetic(seen: Mapping[str, Any]) -> None:
    assert any(key.endswith("costs.technicians") for key in seen["again"])
    for key, (value, recomputed) in seen["again"].items():
        assert recomputed == pytest.approx(value), key
    words = " ".join(seen["words"].split())
    assert words.startswith("Technicians required: ")
    assert "× 1 h/week" in words
    assert "demand.on_call_h_per_week" in words
    assert "source: hours of a technician per server, this test" in words


def test_it_is_on_the_screen_on_the_page_and_in_the_bill(seen: Mapping[str, Any]) -> None:
    assert "  hands " in seen["screen"]
    assert "<h3>Technicians" in seen["page"]
    assert "factors.hands.required" in seen["page"]
    for one in seen["plan"]["options"]:
        lines = {line["key"]: line for line in one["costs"]}
        assert ("technicians" in lines) is (one["kind"] != "api")
        if one["kind"] != "api":
            hours = one["factors"]["hands"]["required"]["value"]
            assert lines["technicians"]["value"] == pytest.approx(hours * 50 * 52)
            assert one["opex_usd_per_year"]["value"] == pytest.approx(
                sum(line["value"] for key, line in lines.items() if key != "hardware")
            )


def test_its_keys_are_keys_of_a_demand_file(seen: Mapping[str, Any]) -> None:
    assert seen["defaults"] == [0.0, 40.0, 1e4], "of the demand, of its site, of its colocation"
    own = {"technician_h_per_week", "technician_usd_per_h", "on_call_h_per_week", "remote_hands_h_per_week"}
    assert own <= set(seen["keys"])
    assert seen["assumptions"]["demand.on_call_h_per_week"] == "hours on call"
    assert seen["assumptions"]["demand.site.technician_h_per_week"] == "hours of the technicians at the site"
    assert seen["assumptions"]["demand.colocation.remote_hands_h_per_week"] == "hours of remote hands in a colocation"
    assert "site, technician_h_per_week = -3: must be between 0.1 and 1,000,000" in seen["mistake"]
    assert "colocation, remote_hands_h_per_week = -2: must be between 0.1 and 1,000,000" in seen["mistake"]
    assert "on_call_h_per_week = -1: must be 0 or between 0.1 and 168" in seen["mistake"]
