"""The user's own rows: added, changed, and every mistake reported in one line with its file and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.catalog.overrides import user_files
from aigc_bench.core.errors import UsageError
from aigc_bench.core.units import GIB


def write(folder: Path, text: str, name: str = "mine.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_new_accelerator_starts_from_another_one(tmp_path: Path) -> None:
    path = write(
        tmp_path, '[accelerators.l40s_96]\nlike = "l40s"\nname = "L40S 96"\nmemory_gib = 96\nsource = "quote"\nas_of = "2026-11"\n'
    )
    catalogue = load_catalogue([path], with_user_files=False)
    mine, base = catalogue.accelerators["l40s_96"], catalogue.accelerators["l40s"]
    assert (mine.memory_bytes, mine.name) == (96 * GIB, "L40S 96")
    assert mine.peak_flops == base.peak_flops
    assert mine.source == f"quote (memory_gib); the rest: {base.source}"
    assert list(catalogue.accelerators) == [*load_catalogue(with_user_files=False).accelerators, "l40s_96"]
    assert catalogue.accelerator("L40S 96") is mine


def test_a_changed_figure_names_its_own_source_and_leaves_the_others_theirs(tmp_path: Path) -> None:
    path = write(tmp_path, '[accelerators.h100_sxm_80gb]\ntdp_w = 650\nsource = "our cap"\nas_of = "2026-11-01"\n')
    spec = load_catalogue([path], with_user_files=False).accelerators["h100_sxm_80gb"]
    assert (spec.tdp_w, spec.as_of) == (650, "2026-11-01")
    assert spec.source.startswith("our cap (tdp_w); the rest: ai-dynamo/aiconfigurator")
    assert spec.peak("bf16") == pytest.approx(989.4e12)
    assert spec.usable_memory_bytes is not None


def test_a_changed_price_is_the_users_price(tmp_path: Path) -> None:
    text = (
        "[servers.dgx_h100]\n"
        "price_low_usd = 250000\n"
        "price_mid_usd = 280000\n"
        "price_high_usd = 290000\n"
        'source = "offer 17"\n'
        'as_of = "2026-11"\n'
    )
    price = load_catalogue([write(tmp_path, text)], with_user_files=False).servers["dgx_h100"].price
    assert price is not None
    assert (price.low, price.mid, price.high, price.source, price.as_of) == (250_000, 280_000, 290_000, "offer 17", "2026-11")


def test_a_whole_constant_is_the_users_alone(tmp_path: Path) -> None:
    text = (
        "[constants.pue_default]\n"
        "value = 1.2\n"
        "low = 1.15\n"
        "high = 1.25\n"
        'basis = "measured"\n'
        'source = "our meters"\n'
        'as_of = "2026-10"\n'
    )
    estimate = load_catalogue([write(tmp_path, text)], with_user_files=False).pue()
    assert (estimate.low, estimate.value, estimate.high, estimate.basis) == (1.15, 1.2, 1.25, "measured")
    assert estimate.source == "our meters, 2026-10"


def test_a_new_nominal_size_does_not_keep_what_drivers_reported_of_the_old(tmp_path: Path) -> None:
    text = '[accelerators.b300_sxm_288gb]\nmemory_gib = 250\nfp4_tflops = 13000\nsource = "x"\nas_of = "2026"\n'
    spec = load_catalogue([write(tmp_path, text)], with_user_files=False).accelerators["b300_sxm_288gb"]
    assert spec.usable_memory_bytes is None
    assert spec.ranges == {}


def test_a_csv_file_is_named_after_its_table(tmp_path: Path) -> None:
    text = "id,kind,name,value,unit,source,as_of\nel_mine,electricity_business,My site,0.05,USD/kWh,contract,2026-11\n"
    catalogue = load_catalogue([write(tmp_path, text, "power.csv")], with_user_files=False)
    assert catalogue.electricity_price("my site").value == 0.05


def test_the_last_file_wins(tmp_path: Path) -> None:
    row = '[accelerators.t4]\ntdp_w = {}\nsource = "x"\nas_of = "2026"\n'
    files = [write(tmp_path, row.format(watts), f"{watts}.toml") for watts in (60, 65)]
    assert load_catalogue(files, with_user_files=False).accelerators["t4"].tdp_w == 65


def test_files_of_the_configuration_folder_are_read_before_those_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "aigc-bench" / "catalog"
    folder.mkdir(parents=True)
    row = '[accelerators.t4]\ntdp_w = {}\nsource = "x"\nas_of = "2026"\n'
    write(folder, row.format(60))
    write(folder, "not a catalogue file", "notes.txt")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert user_files() == (folder / "mine.toml",)
    assert load_catalogue().accelerators["t4"].tdp_w == 60
    assert load_catalogue([write(tmp_path, row.format(65), "named.toml")]).accelerators["t4"].tdp_w == 65


def test_every_mistake_is_reported_together_with_file_and_key(tmp_path: Path) -> None:
    text = """
        [accelerators.a]
        like = "h100"
        source = "x"
        as_of = "2026"
        [accelerators.b]
        like = "l40s"
        memory_gb = 48
        source = "x"
        as_of = "2026"
        [accelerators.c]
        like = "l40s"
        tdp_w = -5
        fp16_tflops = "many"
        source = "x"
        as_of = "last May"
        [accelerators.d]
        like = "l40s"
        [acelerators.e]
        name = "x"
        [accelerators.f]
        name = "F"
        source = "x"
        as_of = "2026"
        [constants.pue_default]
        low = 1.9
        source = "x"
        as_of = "2026"
    """
    path = write(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        load_catalogue([path], with_user_files=False)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{path}: ") for line in lines)
    phrase = [line.removeprefix(f"{path}: ") for line in lines]
    expected = [
        "accelerators.a.like: unknown accelerator 'h100'",
        "accelerators.b.memory_gb: is not a column of accelerators; did you mean memory_gib",
        "accelerators.c.fp16_tflops: 'many' is not a number",
        "accelerators.c.as_of: must be a date such as 2026,",
        "accelerators.c.tdp_w: must be greater than 0",
        "accelerators.d.source: is required",
        "accelerators.d.as_of: is required",
        "unknown table 'acelerators'; did you mean accelerators or",
        "accelerators.f.memory_gib: is required",
        "accelerators.f.memory_bandwidth_gb_per_s: is required",
        "constants.pue_default: low 1.9, value 1.52, high 1.85 must rise",
    ]
    missing = [start for start in expected if not any(line.startswith(start) for line in phrase)]
    assert missing == [], "\n".join(phrase)
    assert len(phrase) == len(expected), "\n".join(phrase)


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("broken.toml", "[accelerators", "not TOML: expected"),
        ("flat.toml", "accelerators = 3", "must hold tables, one per row"),
        ("mine.json", "{}", "must be a .toml or .csv file"),
        ("power.csv", "id,value\n,3\n", "line 2: id: is required"),
        ("prices.csv", "id,value\nx,3\n", "unknown table 'prices'"),
    ],
)
def test_a_file_that_cannot_be_used_is_reported_in_one_line(tmp_path: Path, name: str, text: str, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_catalogue([write(tmp_path, text, name)], with_user_files=False)
    assert what in str(caught.value)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_reported_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml: no such file or directory"):
        load_catalogue([tmp_path / "none.toml"], with_user_files=False)


def test_a_row_from_general_knowledge_is_assumed(tmp_path: Path) -> None:
    text = (
        "[accelerators.x]\n"
        'like = "l40s"\n'
        "price_mid_usd = 1\n"
        "price_low_usd = 1\n"
        "price_high_usd = 2\n"
        'source = "unverified guess"\n'
        'as_of = "2026"\n'
    )
    spec = load_catalogue([write(tmp_path, text)], with_user_files=False).accelerators["x"]
    assert (spec.basis, spec.confidence) == ("assumed", "low")
    assert spec.price is not None
    assert spec.price.basis == "assumed"
