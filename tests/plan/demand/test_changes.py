"""``--set`` changes keys of a demand as an edit of its file would, and refuses what leads nowhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.cli import main
from aigc_bench.core.errors import UsageError
from aigc_bench.plan.demand.demand_reader import changed, read_demand

DEMAND = """
name = "two"
availability = 0.999
[[service]]
name = "chat"
workload = "gpt"
preset = "llama-3.1-8b"
users = 100
active_share = 0.1
requests_per_minute = 1
input_tokens = 500
output_tokens = 200
[service.slo]
ttft = "2 s"
[site]
pue = 1.3
"""
RAW = {"name": "two", "service": [{"name": "chat", "users": 100}, {"name": "m.1", "users": 1}], "site": {"pue": 1.3}}


def test_a_key_of_a_named_table_of_a_table_and_of_the_demand_is_changed() -> None:
    made = changed(RAW, ["services.chat.users=30000", "service.m.1.users=2", "site.pue=1.2", "availability = 0.99", "name=x = y"])
    assert [one["users"] for one in made["service"]] == [30000, 2]
    assert (made["site"], made["availability"], made["name"]) == ({"pue": 1.2}, 0.99, "x = y")
    assert RAW["service"][0]["users"] == 100, "the file's own is left as it was"


@pytest.mark.parametrize(
    ("text", "value"), [("2 s", "2 s"), ('"2 s"', "2 s"), ("true", True), ('["us", "eu"]', ["us", "eu"]), ("a\nb = 1", "a\nb = 1")]
)
def test_a_value_is_that_of_a_file_or_a_text(text: str, value: object) -> None:
    assert changed({}, [f"name={text}"])["name"] == value


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("users", "must be KEY=VALUE"),
        ("services.chatt.users=1", "no service named 'chatt'"),
        ("site.a.b=1", "is no key of a demand"),
        ("name.x=1", "is no key of a demand"),
        (".x=1", "must be KEY=VALUE"),
        (f"availability={'9' * 5000}", "digits"),
        ("availability=nan", "availability"),
    ],
)
def test_a_change_that_leads_nowhere_is_refused_in_one_line(change: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        changed(RAW, [change])


def test_a_changed_demand_is_the_demand_that_an_edited_file_gives(tmp_path: Path) -> None:
    file, edited = tmp_path / "a.toml", tmp_path / "b.toml"
    file.write_text(DEMAND)
    edited.write_text(DEMAND.replace("users = 100", "users = 300").replace("pue = 1.3", "pue = 1.2"))
    catalogue = load_catalogue()
    changes = ["services.chat.users=300", "site.pue=1.2"]
    assert read_demand(file, catalogue=catalogue, changes=changes) == read_demand(edited, catalogue=catalogue)
    with pytest.raises(UsageError, match="users"):
        read_demand(file, catalogue=catalogue, changes=["services.chat.users=-5"])
    with pytest.raises(UsageError, match="unknown key"):
        read_demand(file, catalogue=catalogue, changes=["services.chat.user=5"])


def test_several_demands_stand_next_to_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small, large = tmp_path / "small.toml", tmp_path / "large.toml"
    small.write_text(DEMAND)
    large.write_text(DEMAND.replace("users = 100", "users = 9000"))
    words = [
        "plan",
        str(small),
        str(large),
        "--accelerator",
        "l40s",
        "--set",
        "constraints.confidence=0",
        "--out",
        str(tmp_path / "o"),
    ]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("small: ")
    head = next(line for line in shown.splitlines() if line.split() == ["SMALL", "LARGE"])
    assert head
    cost = next(line for line in shown.splitlines() if line.startswith("total cost"))
    assert float(cost.rsplit("(", 1)[1].removesuffix("x)").rstrip()) > 1
    assert sorted(file.parent.name for file in (tmp_path / "o").glob("*/plan.html")) == ["large", "small"]
    assert main([*words[:-2], "--json"]) == 0
    assert [len(one["options"]) > 0 for one in json.loads(capsys.readouterr().out)] == [True, True]
    assert main(["plan", str(small), str(large), "--explain", "tco_usd"]) == 2


def test_top_lists_that_many_alternatives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.toml"
    file.write_text(DEMAND)
    rows = []
    for top in ("0", "1", "3"):
        assert main(["plan", str(file), "--accelerator", "l40s", "--set", "constraints.confidence=0", "--top", top]) == 0
        rows.append(len([line for line in capsys.readouterr().out.splitlines() if line.rstrip().endswith("x")]))
    assert rows == [0, 1, 3]
