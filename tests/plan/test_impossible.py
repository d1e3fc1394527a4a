"""An impossible demand names the limiting factor and a remedy; a wrong demand lists every mistake."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aigc_bench.cli import main

DEMAND = """
name = "impossible"
availability = 0.99
[[service]]
name = "chat"
workload = "gpt"
preset = "{preset}"
rate = 2
input_tokens = 800
output_tokens = 250
{service}
[service.slo]
ttft = "2s"
tpot = {tpot}
[site]
{site}
[constraints]
without = ["colocated", "cloud", "api"]
{limits}
"""
PLAIN = {"preset": "llama-3.1-8b", "tpot": "0.1", "service": "", "site": "", "limits": 'accelerators = ["l40s", "h100_sxm_80gb"]'}
H100 = 'accelerators = ["h100_sxm_80gb"]'


def told(folder: Path, capsys: pytest.CaptureFixture[str], **changes: str) -> str:
    """What ``plan`` prints of the demand with changes, in one line."""
    file = folder / "demand.toml"
    file.write_text(DEMAND.format(**{**PLAIN, **changes}))
    assert main(["plan", str(file)]) == 0
    return " ".join(capsys.readouterr().out.split())


def test_the_plain_demand_is_met(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "No option" not in told(tmp_path, capsys)


@pytest.mark.parametrize(
    ("factor", "changes", "remedy"),
    [
        ("compute", {"tpot": "0.00001"}, "time per token is .* at best, 10.0 µs is required; a looser SLO or a faster accelerator"),
        (
            "memory",
            {"preset": "llama-3.1-405b", "limits": 'accelerators = ["l4"]'},
            "GiB usable; more or larger accelerators in a server, a shorter prompt or a narrower number format would change that",
        ),
        (
            "network",
            {"site": "uplink_gbit_per_s = 0.00001"},
            r"67.2 kbit/s required, 10.0 kbit/s available; an uplink of 74.7 kbit/s \(site.uplink_gbit_per_s\)",
        ),
        (
            "cooling",
            {"site": "rack_cooling_kw = 0.05"},
            r"50.0 W available; racks with a cooling capacity of .* \(site.rack_cooling_kw\)",
        ),
        ("power", {"site": "power_kw = 0.1"}, r"100 W available; .* for IT \(site.power_kw\)"),
        ("power", {"site": "rack_kw = 0.1"}, r"100 W available; a feed of .* per rack \(site.rack_kw\)"),
        ("space", {"site": "racks = 0"}, "1 rack is required, the site has room for 0; site.racks = 1"),
        ("money", {"limits": f"budget_usd = 100\n{H100}"}, r"is above constraints.budget_usd = \$100; a higher limit"),
        (
            "money",
            {"limits": f"budget_usd_per_year = 10\n{H100}"},
            r"above constraints.budget_usd_per_year = \$10.0/year; a higher",
        ),
    ],
)
def test_a_demand_that_one_factor_forbids_names_it_and_what_would_change_that(
    factor: str, changes: dict[str, str], remedy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = told(tmp_path, capsys, **changes)
    assert words.startswith(f"impossible No option meets this demand. {factor.capitalize()} is the obstacle: without it, ")
    assert re.search(rf" {factor} rules out \d+ of \d+ options, [1-9]\d* for this reason alone .*{remedy}", words), words


def test_a_liquid_cooled_server_is_named_at_an_air_cooled_site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = told(tmp_path, capsys, limits='accelerators = ["gb200_186gb"]', site="rack_kw = 200")
    assert "site.cooling = 'direct_liquid'" in words


def test_the_page_of_an_impossible_demand_names_the_factor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "demand.toml"
    file.write_text(DEMAND.format(**{**PLAIN, "site": "power_kw = 0.1"}))
    assert main(["plan", str(file), "--out", str(tmp_path / "plan")]) == 0
    page = (tmp_path / "plan" / "plan.html").read_text()
    assert "Power is the obstacle" in page
    assert "(site.power_kw)" in page


MISTAKES = """
name = "wrong"
availability = 1.5
[[service]]
name = "chat"
workload = "gpt"
preset = "llama-3.1-71b"
rate = -1
input_tokens = 800
output_tokens = 250
colour = "red"
[service.slo]
tpot = "3 parsecs"
latency = "0s"
[[batch]]
name = "chat"
workload = "latent_difusion"
preset = "sdxl"
items = "many"
deadline = "8h"
[site]
region = "atlantis"
power_kw = [3, 2, 1]
colling = "air"
[finance]
life = "soon"
discount_rate = 5
[constraints]
vendors = ["Acme"]
budget_usd = -5
"""


def test_wrong_keys_units_signs_and_names_are_reported_together_one_line_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "demand.toml"
    file.write_text(MISTAKES)
    assert main(["plan", str(file)]) == 2
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert captured.out == ""
    for wanted in (
        "availability = 1.5",
        "service 1 (chat), rate = -1: must be 0 or between 0.000001 and 10,000,000",
        "service 1 (chat), unknown key 'colour'",
        "tpot = '3 parsecs': is not a duration",
        "latency = '0s'",
        "items = 'many'",
        "power_kw = [3, 2, 1]",
        "unknown key 'colling'. Did you mean cooling",
        "life = 'soon': is not a duration",
        "discount_rate = 5: must be 0 or between 0.000001 and 1 (5 % is 0.05)",
        "budget_usd = -5",
        "unknown gpt preset 'llama-3.1-71b'",
        "'latent_difusion'",
        "'atlantis'",
        "unknown vendor 'Acme'",
    ):
        assert sum(wanted in line for line in lines) == 1, (wanted, captured.err)
    assert lines[0] == f"error: {file}: {len(lines) - 1} mistakes:"


def test_unknown_names_are_reported_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = DEMAND.format(**{**PLAIN, "preset": "llama-3.1-71b", "site": 'region = "atlantis"', "limits": 'vendors = ["Acme"]'})
    file = tmp_path / "demand.toml"
    file.write_text(text)
    assert main(["plan", str(file)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    for wanted in ("Did you mean llama-3.1-70b", "atlantis", "unknown vendor 'Acme'"):
        assert any(wanted in line for line in lines)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["plan"], "give a DEMAND.toml"),
        (["plan", "nowhere.toml"], "nowhere.toml: no such file"),
        (["plan", "examples/chat-70b.toml", "--accelerator", "h1000"], "h1000"),
        (["plan", "examples/chat-70b.toml", "--run", "nowhere"], "nowhere"),
        (["plan", "--new", "nothing"], "nothing"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(words: list[str], wanted: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert wanted in captured.err
