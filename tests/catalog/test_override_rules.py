"""A file of the user's own is checked whole: kinds of cells, dates, ids, constants; the shipped catalogue passes the same rules."""

from __future__ import annotations

import gzip
import os
from datetime import date
from pathlib import Path

import pytest

from aigc_bench.catalog.loader import KINDS, load_catalogue, usable_catalogue
from aigc_bench.catalog.override_rules import REFERENCES, cell_text, constant_mistakes, date_mistakes, kind_of, reference_mistakes
from aigc_bench.catalog.overrides import usable_overrides
from aigc_bench.catalog.table_reader import read_cells
from aigc_bench.catalog.tables import TABLES
from aigc_bench.cli import main
from aigc_bench.core.errors import AigcBenchError, FileWarning, UsageError
from aigc_bench.measure.doctor import files as doctor

SOURCE = 'source = "x"\nas_of = "2026"\n'
ACCELERATOR = '[accelerators.a]\nlike = "l40s"\n'
SERVER = '[servers.s]\nlike = "dgx_h100"\n'
RANGES = "[accelerator_ranges.l40s]\n"
PUE = "[constants.pue_default]\n"
POWER = "id,kind,name,value,unit,source,as_of\n"
SITE = "el_mine,electricity_business,My site,{},USD/kWh,contract,2026-11\n"


@pytest.mark.parametrize(
    ("text", "is_future"),
    [("2026-11-30", False), ("2026-12-01", False), ("2026-12-02", True), ("2026-11", False), ("2026-12", False), ("2027-01", True),
     ("2026", False), ("2027", True), ("2025/2026", False), ("2026/2027", False), ("2027/2028", True)],
)  # fmt: skip
def test_a_date_that_has_not_come_is_refused_as_exactly_as_it_is_written(text: str, is_future: bool) -> None:
    """On the last of November: tomorrow is today somewhere, the day after nowhere; a year is one that has begun."""
    assert bool(date_mistakes({"as_of": text}, today=date(2026, 11, 30))) == is_future


def refused(folder: Path, text: str | bytes, name: str = "mine.toml") -> list[str]:
    """What is said of a file, without its name."""
    file = folder / name
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(UsageError) as caught:
        load_catalogue([file], with_user_files=False)
    assert all(line.startswith(f"{file}: ") for line in caught.value.lines)
    return [line.removeprefix(f"{file}: ") for line in caught.value.lines]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{ACCELERATOR}tdp_w = 1e-308\n{SOURCE}", "accelerators, a, tdp_w = 1e-308: must be 0 or between"),
        (f"{ACCELERATOR}memory_gib = nan\n{SOURCE}", "accelerators, a, memory_gib = nan: must be a finite number"),
        (f"{ACCELERATOR}memory_gib = 1e20\n{SOURCE}", "accelerators.a.memory_gib: must be 0 or between 1e-12 and 1e+15 in size"),
        (
            f"{ACCELERATOR}mig_max = 1.9\n{SOURCE}",
            "accelerators.a.mig_max: must be a whole number from 0 to 1,000,000,",
        ),
        (f"{ACCELERATOR}mig_max = true\n{SOURCE}", "accelerators.a.mig_max: must be a number, not true"),
        (f'{ACCELERATOR}name = ["x"]\n{SOURCE}', "accelerators.a.name: must be a text, not ['x']"),
        (f"{ACCELERATOR}idle_w = 900\n{SOURCE}", "accelerators.a: idle_w 900, tdp_w 350 must rise"),
        (f'{ACCELERATOR}source = "x"\nas_of = "2026-13"\n', "accelerators.a.as_of: month must be in 1..12"),
        (f'{ACCELERATOR}source = "x"\nas_of = "2026/2024"\n', "accelerators.a.as_of: must begin before it ends"),
        (f'{ACCELERATOR}source = "x"\nas_of = "9999"\n', "accelerators.a.as_of: must not lie in the future, not '9999'"),
        (f"{SERVER}gpu_count = 1.9\n{SOURCE}", "servers.s.gpu_count: must be a whole number"),
        (f"{SERVER}gpu_count = 0\n{SOURCE}", "servers.s: gpu_count 0 of a server with h100_sxm_80gb must be 1 or more"),
        (f"{SERVER}gpu_count = 100000\n{SOURCE}", "servers.s.gpu_count: must be less than or equal to 10000"),
        (f'{SERVER}gpu_id = "h1000"\n{SOURCE}', "servers.s.gpu_id: unknown accelerator 'h1000'; did you mean"),
        (
            f'[accelerator_ranges.l40s]\ncolumn = "tdp_w"\nlow = 1\nhigh = 2\n{SOURCE}',
            "accelerator_ranges.l40s.column: 'tdp_w' is not",
        ),
        (
            f'[accelerator_ranges.l40s]\ncolumn = "memory_gib"\nlow = 3\nhigh = 2\n{SOURCE}',
            "accelerator_ranges.l40s: low 3.0 and high",
        ),
        ('[aliases.z]\nname = "Z"\naccelerator_id = "zed"\n', "aliases.z.accelerator_id: unknown accelerator 'zed'"),
        ('[regions.z]\npower_id = "zed"\n', "regions.z.power_id: unknown power fact 'zed'"),
        (f"{PUE}value = 0.5\nlow = 0.4\n{SOURCE}", "constants.pue_default.low: must be 1 or more"),
        (f"{PUE}high = 1e9\n{SOURCE}", "constants.pue_default.high: must be within 1,000 times of the shipped 1.3 to 1.85"),
        (f'{PUE}unit = "percent"\n{SOURCE}', "constants.pue_default.unit: must stay ratio, not 'percent'"),
        (
            f"[constants.pue_defualt]\nvalue = 2\n{SOURCE}",
            "constants.pue_defualt.id: 'pue_defualt' is not a constant",
        ),
        (
            f"[constants.discount_rate]\nvalue = 5\nhigh = 6\n{SOURCE}",
            "constants.discount_rate.value: must be a fraction",
        ),
        (f'[accelerators."../x"]\nlike = "l40s"\n{SOURCE}', "accelerators.../x.id: '../x' must be letters, digits"),
    ],
)
def test_a_row_is_refused_by_its_column(tmp_path: Path, text: str, said: str) -> None:
    lines = refused(tmp_path, text)
    assert lines[0].startswith(said), lines
    assert all(len(line) < 350 for line in lines)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("power.csv", POWER + SITE.format("nan"), "line 2: power.el_mine.value: 'nan' must be a finite number"),
        ("power.csv", POWER + "\n" + SITE.format("1e400"), "line 3: power.el_mine.value: '1e400' must be 0 or between"),
        ("power.csv", POWER + SITE.format("1") + SITE.format("2"), "line 3: power.el_mine.id: appears twice in this file"),
        ("power.csv", POWER + SITE.format("1,2"), "line 2: has 8 cells where the header has 7"),
        ("power.csv", "name,value\nx,1\n", "line 1: column 'id' is missing"),
        ("power.csv", 'id,value\n"x,1\n', "line 2: a quote is never closed"),
        ("power.csv", "", "empty: there is no line"),
        ("power.csv.gz", gzip.compress((POWER + SITE).encode(), mtime=0)[:40], "the gzip file is cut short"),
    ],
)
def test_a_table_is_refused_by_its_line(tmp_path: Path, name: str, text: str | bytes, said: str) -> None:
    assert refused(tmp_path, text, name)[0].startswith(said)


@pytest.mark.parametrize(
    ("name", "content", "value"),
    [
        ("power.csv", "\ufeff" + (POWER + SITE.format("0.05")).replace(",", ";").replace("\n", "\r\n"), 0.05),
        ("power.csv", (POWER + SITE.format("0|05")).replace(",", ";").replace("|", ","), 0.05),
        ("POWER.CSV", (POWER + SITE.format("0.05")).replace(",", "\t"), 0.05),
    ],
)
def test_a_table_may_come_from_any_spreadsheet(tmp_path: Path, name: str, content: str, value: float) -> None:
    for kept, encoding in (("utf-8", "utf-8"), ("utf-16", "utf-16")):
        file = tmp_path / kept / name
        file.parent.mkdir()
        file.write_bytes(content.removeprefix("\ufeff" if encoding == "utf-16" else "").encode(encoding))
        assert load_catalogue([file], with_user_files=False).electricity_price("my site").value == value


def test_two_ranges_of_one_accelerator_are_both_kept(tmp_path: Path) -> None:
    file = tmp_path / "accelerator_ranges.csv"
    file.write_text("id,column,low,high,source,as_of\nl40s,memory_gib,40,48,x,2026\nl40s,bf16_tflops,300,370,x,2026\n")
    ranges = load_catalogue([file], with_user_files=False).accelerators["l40s"].ranges
    assert set(ranges) >= {"memory_bytes", "peak_flops.bf16"}


@pytest.mark.parametrize("name", TABLES)
def test_the_shipped_rows_pass_the_rules_for_the_users_own(name: str) -> None:
    table, rows = TABLES[name], read_cells(TABLES[name])
    ids = {target: set(read_cells(TABLES[target])) for target in REFERENCES.values()}
    for cells in rows.values():
        for column, text in cells.items():
            cell_text(text, kind=kind_of(table, column))
        assert reference_mistakes(cells, table=table, ids=ids) == []
        assert date_mistakes(cells, today=date.today()) == []
        assert constant_mistakes(cells, table=table, shipped=rows) == []


def test_a_row_that_needs_a_row_of_a_broken_file_is_left_out_too(tmp_path: Path) -> None:
    broken, needs, sound = (tmp_path / name for name in ("a.toml", "b.toml", "c.toml"))
    broken.write_text(f"{ACCELERATOR}tdp_w = -1\n{SOURCE}")
    needs.write_text(f'{SERVER}gpu_id = "a"\n{SOURCE}')
    sound.write_text(f"[accelerators.t4]\ntdp_w = 60\n{SOURCE}")
    rows, mistakes = usable_overrides([broken, needs, sound])
    assert set(mistakes) == {broken, needs}
    assert [list(table) for table in rows.values() if table] == [["t4"]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's catalogue folder with a broken and a sound file."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = tmp_path / "aigc-bench" / "catalog"
    folder.mkdir(parents=True)
    (folder / "broken.toml").write_text(f"{ACCELERATOR}tdp_w = -1\nidle_w = -1\n{SOURCE}")
    (folder / "sound.toml").write_text(f"[accelerators.t4]\ntdp_w = 60\n{SOURCE}")
    return folder


def test_who_needs_the_catalogue_is_stopped_and_who_does_not_is_warned_once(folder: Path) -> None:
    with pytest.raises(AigcBenchError, match=r"broken\.toml: accelerators\.a") as caught:
        load_catalogue()
    assert caught.value.exit_code == 1
    with pytest.warns(FileWarning, match=r"broken\.toml: .*, and 1 more: the file is left out") as warned:
        assert usable_catalogue().accelerators["t4"].tdp_w == 60
        usable_catalogue()
    assert len(warned) == 1


def test_a_pipe_in_the_folder_is_not_waited_for(folder: Path) -> None:
    (folder / "broken.toml").unlink()
    os.mkfifo(folder / "pipe.toml")
    with pytest.raises(AigcBenchError, match=r"pipe\.toml: not a file"):
        load_catalogue()


def test_the_doctor_names_a_broken_file_with_its_remedy(folder: Path) -> None:
    broken, sound = doctor.checks()
    assert (broken.status, sound.status) == ("failure", "ok")
    assert "broken.toml: accelerators.a" in broken.detail
    assert broken.remedy is not None and broken.remedy.startswith("Correct the file or move it away")
    assert sound.detail == "1 file, 1 row"
    for file in folder.iterdir():
        file.unlink()
    assert [check.status for check in doctor.checks()] == ["absent"]


NEEDING = [
    ["list", "accelerators"],
    ["list", "servers"],
    ["list", "prices"],
    ["show", "h100"],
    ["predict", "gpt/gpt2-124m", "--accelerator", "h100"],
    ["plan", "examples/chat-70b.toml"],
]
OTHERS = [
    ["--help"],
    ["list", "workloads"],
    ["list", "profiles"],
    ["profiles", "show", "a100"],
    ["show", "reports/sample"],
    ["show", "reports/sample", "--as", "published"],
    ["compare", "reports/sample", "reports/sample"],
    ["plan", "--keys"],
]


@pytest.mark.parametrize("command", NEEDING, ids=" ".join)
def test_a_command_that_needs_the_catalogue_ends_with_the_mistakes(
    folder: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: 2 mistakes in your files of the catalogue. Correct the file or move it away")
    assert f"  {folder / 'broken.toml'}: accelerators.a." in err


@pytest.mark.parametrize("command", OTHERS, ids=" ".join)
def test_a_command_that_does_not_need_the_catalogue_goes_on(
    folder: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert out
    assert all(line.startswith(f"note: {folder / 'broken.toml'}: ") for line in err.splitlines())


def test_every_table_that_can_be_listed_has_rules_for_its_cells() -> None:
    assert {kind_of(TABLES[name], "id") for name in KINDS} == {"text"}
    assert kind_of(TABLES["servers"], "gpu_count") == "whole number"
    assert kind_of(TABLES["cloud_prices"], "is_historic") == "true or false"
    assert kind_of(TABLES["accelerators"], "tdp_w") == "number"
