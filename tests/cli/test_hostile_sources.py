"""Every command over runs, demands, catalogues, file names and drivers whose text is hostile: plain lines, valid JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest

from aigc_bench.core.csv_file import original
from aigc_bench.core.visible import HIDDEN
from tests.analyze.synthetic import make_case, make_run
from tests.fake_nvml import FakeGpu, FakeNvml, simulated
from tests.hostile import WORDS
from tests.hostile_run import SPELL, poison
from tests.test_cli import run_command

NAME = "=\x1b[2J\x9b31m\u202ea\u200b[red] <b>"
TOML_NAME = "=\\u001b[2J\\u009b31m\\u202ea\\u200b\\n[red] <b>"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run and its copy with hostile strings, in a folder with a hostile name."""
    folder = tmp_path_factory.mktemp("runs") / f"a{NAME}"
    cases = [make_case(workload="vae", preset="mlp-784-400-20"), make_case(batch_size=2), make_case(preset=SPELL)]
    whole = make_run(folder / "whole", cases=cases, num_steps=10, noise=0.01, failures={(cases[1].id, 2): "error"})
    shutil.copytree(whole.path, folder / "hostile")
    _, num_strings = poison(folder / "hostile", with_numbers=True)
    assert num_strings > 15
    return whole.path, folder / "hostile"


def shown(capsys: pytest.CaptureFixture[str], *words: str | Path, codes: tuple[int, ...] = (0,)) -> str:
    """What a command printed; fails where a terminal would have obeyed any of it."""
    code, out, err = run_command(capsys, *map(str, words))
    assert code in codes, err
    assert not HIDDEN.search((out + err).replace("\n", ""))
    return out


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
def test_numbers_and_comparisons_of_a_hostile_run(
    capsys: pytest.CaptureFixture[str], runs: tuple[Path, Path], form: tuple[str, ...]
) -> None:
    whole, hostile = runs
    for words in (("show", hostile), ("compare", whole, hostile, "--all"), ("report", hostile, "-o", hostile / "a.html")):
        out = shown(capsys, *words[:-1] if form and words[-1] == "--all" else words, *form)
        if form:
            json.loads(out)


def test_the_json_of_a_hostile_run_is_what_the_run_says(capsys: pytest.CaptureFixture[str], runs: tuple[Path, Path]) -> None:
    _, hostile = runs
    said = {row["case"] for row in json.loads(shown(capsys, "show", hostile, "--json"))}
    ids = {json.loads(line)["case"] for line in (hostile / "results.jsonl").read_text().splitlines()}
    assert said <= ids


def test_a_hostile_machine_is_a_cell_that_nothing_computes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    whole = make_run(tmp_path / "run", cases=[make_case()], num_steps=10).path
    machine = "@=1+1\x1b\u202e"
    rows = list(csv.DictReader(io.StringIO(shown(capsys, "show", whole, "--as", "published", "--gpu", machine))))
    assert rows
    assert {row["gpu"] for row in rows} == {"'@=1+1\\x1b\\u202e"}
    assert {original(row["gpu"]) for row in rows} == {"@=1+1\\x1b\\u202e"}


def test_a_hostile_demand_and_its_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    example = Path("examples/nightly-images.toml").read_text().replace('name = "pictures"', f'name = "{TOML_NAME}"')
    file, out = tmp_path / f"{NAME}.toml", tmp_path / NAME
    file.write_text(example.replace('name = "Nightly product pictures"', f'name = "{TOML_NAME}"'))
    words = ("plan", file, "--accelerator", "l40s")
    text = shown(capsys, *words, "--out", out)
    assert "=\\x1b[2J\\x9b31m\\u202ea\\u200b\\n[red] <b>" in text
    assert json.loads(shown(capsys, *words, "--json")) == json.loads((out / "plan.json").read_text())
    shown(capsys, *words, "--explain", "list")
    shown(capsys, *words, "--explain", "tco_usd")
    for table in ("options.csv", "bill.csv"):
        content = (out / table).read_text()
        assert not HIDDEN.search(content.replace("\n", ""))
        assert not [cell for row in csv.reader(io.StringIO(content)) for cell in row if cell.startswith(("=", "@"))]


def test_a_hostile_catalogue_of_ones_own(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    file = tmp_path / "aigc-bench" / "catalog" / "own.toml"
    file.parent.mkdir(parents=True)
    file.write_text(f'[accelerators.l40s]\nname = "{TOML_NAME}"\nsource = "{TOML_NAME}"\nas_of = "2026-01-01"\n')
    for words in (("list", "accelerators"), ("list", "accelerators", "--json"), ("show", "l40s"), ("show", "l40s", "--json")):
        assert shown(capsys, *words)
    assert any(row["value"].startswith("=\x1b[2J") for row in json.loads(shown(capsys, "show", "l40s", "--json")))


def test_a_hostile_profile(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / f"{NAME}.toml"
    file.write_text(
        f'name = "mine"\ntitle = "{TOML_NAME}"\ndescription = "{TOML_NAME}"\n[defaults]\nbackend = "cpu"\n'
        '[[case]]\nworkload = "vae"\npreset = "mlp-784-400-20"\nmode = "infer"\n'
    )
    for words in (("profiles", "show", file), ("run", "--profile", file, "--dry-run")):
        assert shown(capsys, *words)


def test_a_hostile_driver(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    gpu = FakeGpu(name="NVIDIA \x1b[2J\u202e<b>[red]\x9b", series={"vbios": "\x1b]0;x\x07"})
    with simulated(FakeNvml.build(tmp_path, gpu, driver="570\x1b[2J")):
        text = shown(capsys, "doctor", codes=(0, 1))
        checks = json.loads(shown(capsys, "doctor", "--json", codes=(0, 1)))
    assert "\\x1b[2J" in text
    assert any("\x1b[2J" in check["detail"] for check in checks)


@pytest.mark.parametrize("word", [word for word in WORDS if "\x00" not in word and "\ud800" not in word])
def test_a_hostile_name_of_anything(capsys: pytest.CaptureFixture[str], word: str) -> None:
    for words in (("show", word), ("validate", word), ("predict", word, "--accelerator", word), ("plan", "--new", word)):
        shown(capsys, *words, codes=(1, 2))
