"""A second question about a plan is answered from what was kept, and never from what is damaged or of another plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from aigc_bench import api
from aigc_bench.api.planning import explained
from aigc_bench.cli import main
from aigc_bench.plan.explain import kept_explanations
from aigc_bench.plan.explain.plan_trail import explain

DEMAND = Path(__file__).parents[3] / "examples" / "shanghai-10kw.toml"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def files() -> list[Path]:
    folder = kept_explanations.cache_folder()
    return sorted(folder.iterdir()) if folder.is_dir() else []


def test_a_kept_explanation_prints_what_the_plan_does_and_a_damaged_one_is_made_anew(capsys: pytest.CaptureFixture[str]) -> None:
    expected = explain(api.plan(DEMAND), "tco_usd", width=116)
    first = explained(DEMAND, "tco_usd")
    (file,) = files()
    kept = file.read_bytes()
    assert main(["plan", str(DEMAND), "--explain", "tco_usd"]) == 0
    assert capsys.readouterr().out == f"{expected}\n"
    # Another key of the same option is answered from the same file.
    explained(DEMAND, "power")
    assert files() == [file]
    for damaged in (kept[: len(kept) // 2], kept.replace(b"0", b"1"), b"", b"\xff\xfe"):
        file.write_bytes(damaged)
        assert kept_explanations.read(file.stem) is None
    again = explained(DEMAND, "tco_usd")
    assert file.read_bytes() == kept
    assert [again.trail[key] for key in again.trail] == [first.trail[key] for key in first.trail]


def test_another_demand_option_catalogue_or_version_is_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = api.plan(DEMAND)

    def name(**changes: object) -> str:
        given: dict[str, object] = {"key": "tco_usd", "accelerators": (), "user_files": ()}
        return kept_explanations.name_of(plan.demand, **{**given, **changes})  # type: ignore[arg-type]

    own = tmp_path / "prices.csv"
    own.write_text("a,b\n")
    names = [name(), name(key="options.2.tco_usd"), name(accelerators=("l40s",)), name(user_files=(own,))]
    own.write_text("a,c\n")
    names.append(name(user_files=(own,)))
    monkeypatch.setattr(kept_explanations, "version", lambda _: "0.0")
    names.append(name())
    assert len(set(names)) == len(names)
    monkeypatch.undo()
    assert name(key="power") == names[0]


def test_only_the_newest_explanations_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_explanations, "MOST_FILES", 2)
    found = explained(DEMAND, "tco_usd")
    for number in range(4):
        kept_explanations.write(f"{number:064d}", found)
    assert len(files()) == 2 and kept_explanations.read(f"{3:064d}") is not None
