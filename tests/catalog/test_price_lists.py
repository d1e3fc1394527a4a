"""Price lists of others become rows of the user's own, and every line that does not says why."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.catalog.user_rows import add_row, changed_cells, check_files, import_prices, remove_row, user_folder
from aigc_bench.cli import main
from aigc_bench.core.errors import AigcBenchError, UnknownNameError, UsageError

H200 = "\"{'Gpus': [{'Name': 'H200', 'Manufacturer': 'NVIDIA', 'Count': 8, 'MemoryInfo': {'SizeInMiB': 144384}}]}\""
A100 = "\"{'Gpus': [{'Name': 'A100', 'Manufacturer': 'NVIDIA', 'Count': 8, 'MemoryInfo': {'SizeInMiB': 40960}}]}\""
SKYPILOT = f"""InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,Price,Region,GpuInfo,SpotPrice,AvailabilityZone
cpu-d3_4vcpu,,0,4,16,0.0992,eu-north1,,,
h200_8gpu,H200,8,128,1600,28.00,eu-north1,{H200},11.60,a
h200_8gpu,H200,8,128,1600,30.00,eu-north1,{H200},,b
h200_8gpu,H200,8,128,1600,29.00,eu-north1,{H200},,c
a100_8gpu,A100,8.0,128,1600,12,eu-north1,{A100},,
,A100,1,,,1.2,eu-north1,,,
odd,NoSuchCard,1,8,32,0.5,eu-north1,,,
free,L4,1,8,32,,eu-north1,,,
"""
GPUHUNT = """instance_name,location,price,cpu,memory,gpu_count,gpu_name,gpu_memory,spot,disk_size,gpu_vendor,flags
gpu_1x_h100,us-west,2.99,26,200,1,H100,80.0,False,,nvidia,
gpu_1x_h100,us-west,1.50,26,200,1,H100,80.0,True,,nvidia,
big,us-west,1.2,30,240,1,RTX4090,24.0,False,,nvidia,
cpu,us-west,0.2,4,16,0,,,False,,,
"""
OWN = """provider;accelerator;count;usd_per_hour;term;region;interconnect;as_of;source
nebius;H200;8;28,00;on_demand;eu-north1;InfiniBand;2026-11-20;price page
nebius;H200;8;20,00;reserved_1y;eu-north1;InfiniBand;2026-11-20;price page
nebius;H200;8;-1;spot;eu-north1;;2026-11-20;price page
nebius;H200;8;1;weekly;eu-north1;;2026-11-20;price page
"""


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def test_a_list_of_skypilot_becomes_dated_rents_of_the_provider(tmp_path: Path) -> None:
    found = import_prices(write(tmp_path, "nebius/vms.csv", SKYPILOT), as_of="2026-11-29")
    rents = {row.gpu_id: row for row in load_catalogue().cloud_prices.values() if row.source == "SkyPilot catalogue, nebius"}
    assert set(rents) == {"h200_sxm_141gb", "a100_sxm_40gb"}, "the memory decides which A100"
    assert (found.format, found.num_rows, found.num_accelerators) == ("skypilot", 2, 2)
    h200 = rents["h200_sxm_141gb"]
    assert (h200.on_demand_usd_per_h, h200.spot_usd_per_h, h200.gpu_count) == (29.0, 11.6, 8), "zones at their median"
    assert (h200.provider, h200.region, h200.as_of, h200.kind) == ("nebius", "eu-north1", "2026-11-29", "provider")
    assert (h200.note or "").startswith("median of 3 lines")


def test_every_line_that_is_no_rent_is_named_with_its_reason(tmp_path: Path) -> None:
    found = import_prices(write(tmp_path, "nebius/vms.csv", SKYPILOT), as_of="2026-11-29")
    assert found.refused == {
        "a machine without an accelerator": (2,),
        "the price of an accelerator without its machine": (7,),
        "unknown accelerator NoSuchCard": (8,),
        "no price": (9,),
    }


def test_a_list_of_gpuhunt_joins_on_demand_and_spot(tmp_path: Path) -> None:
    import_prices(write(tmp_path, "lambdalabs.csv", GPUHUNT), as_of="2026-11-29")
    rents = {row.gpu_id: row for row in load_catalogue().cloud_prices.values() if row.source == "gpuhunt catalogue, lambdalabs"}
    assert (rents["h100_sxm_80gb"].on_demand_usd_per_h, rents["h100_sxm_80gb"].spot_usd_per_h) == (2.99, 1.5)
    assert rents["rtx_4090"].on_demand_usd_per_h == 1.2


def test_a_list_of_ones_own_may_come_from_any_spreadsheet(tmp_path: Path) -> None:
    found = import_prices(write(tmp_path, "prices.csv", OWN))
    (row,) = [row for row in load_catalogue().cloud_prices.values() if row.source == "price page"]
    assert (row.on_demand_usd_per_h, row.reserved_1y_usd_per_h, row.spot_usd_per_h) == (28.0, 20.0, None)
    assert row.interconnect == "InfiniBand"
    assert [lines for reason, lines in found.refused.items() if "term is 'weekly'" in reason] == [(5,)]
    assert [lines for reason, lines in found.refused.items() if "above 0" in reason] == [(4,)]


def test_a_name_of_the_list_can_be_given_its_accelerator(tmp_path: Path) -> None:
    file = write(tmp_path, "nebius/vms.csv", SKYPILOT)
    import_prices(file, as_of="2026-11-29", names={"NoSuchCard": "l40s"})
    assert "l40s" in {row.gpu_id for row in load_catalogue().cloud_prices.values() if row.source.startswith("SkyPilot")}
    with pytest.raises(UnknownNameError, match="l40z"):
        import_prices(file, names={"NoSuchCard": "l40z"})


def test_an_import_replaces_the_earlier_one_of_the_same_list(tmp_path: Path) -> None:
    file = write(tmp_path, "nebius/vms.csv", SKYPILOT)
    first = import_prices(file, as_of="2026-11-28")
    again = import_prices(file, as_of="2026-11-29")
    assert (first.num_replaced, again.num_replaced, again.file) == (0, 2, first.file)
    rows = [row for row in load_catalogue().cloud_prices.values() if row.source == "SkyPilot catalogue, nebius"]
    assert {row.as_of for row in rows} == {"2026-11-29"}


def test_the_day_of_a_list_is_that_of_its_file_where_nobody_states_one(tmp_path: Path) -> None:
    file = write(tmp_path, "nebius/vms.csv", SKYPILOT)
    os.utime(file, (1_790_000_000, 1_790_000_000))
    assert import_prices(file).as_of == "2026-09-21"


def test_a_table_of_another_form_and_one_without_rents_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="lacks accelerator"):
        import_prices(write(tmp_path, "x.csv", "provider,usd_per_hour\na,1\n"))
    with pytest.raises(UsageError, match="whose prices"):
        import_prices(write(tmp_path, "prices.csv", SKYPILOT))
    with pytest.raises(AigcBenchError, match="no line is a rent"):
        import_prices(write(tmp_path, "a/vms.csv", SKYPILOT.split("h200_8gpu")[0]))
    assert not user_folder().exists(), "nothing is written"


def test_a_row_that_is_added_is_checked_first_and_can_be_removed() -> None:
    cells = {"like": "dgx_h100", "price_mid_usd": "251000", "source": 'quote "4711"', "as_of": "2026-11"}
    file = add_row("servers", "our_h100", cells)
    price = load_catalogue().servers["our_h100"].price
    assert price is not None
    assert (price.mid, price.source) == (251_000, 'quote "4711"')
    before = file.read_bytes()
    with pytest.raises(UsageError, match=r"added\.toml: servers\.other\.price_mid_usd"):
        add_row("servers", "other", {**cells, "price_mid_usd": "cheap"})
    assert file.read_bytes() == before
    remove_row("servers", "our_h100")
    assert "our_h100" not in load_catalogue().servers
    with pytest.raises(UsageError, match="has no row"):
        remove_row("servers", "our_h100")


def test_diff_shows_what_ones_own_rows_change(capsys: pytest.CaptureFixture[str]) -> None:
    add_row("constants", "pue_default", {"value": "1.2", "low": "1.15", "high": "1.25", "source": "meters", "as_of": "2026-10"})
    (value,) = [cell for cell in changed_cells("constants") if cell.column == "value"]
    shipped = load_catalogue(with_user_files=False).constants["pue_default"]
    assert (float(value.own), float(value.shipped or "nan"), value.source) == (1.2, shipped.value, "meters")
    assert main(["catalog", "diff"]) == 0
    assert "constants.pue_default" in capsys.readouterr().out


def test_check_names_every_mistake_and_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    file = write(user_folder(), "mine.toml", '[servers.x]\nlike = "no_such"\nsource = "s"\nas_of = "2026-11"\ncolour = "red"\n')
    (found,) = check_files()
    assert (found.file, found.num_rows, len(found.mistakes)) == (file, 0, 2)
    assert main(["catalog", "check", "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)[0]["mistakes"]) == 2
    assert main(["catalog"]) == 1


def test_the_command_tells_what_became_of_each_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path, "nebius/vms.csv", SKYPILOT)
    assert main(["catalog", "import", str(file), "--as-of", "2026-11-29"]) == 0
    shown = capsys.readouterr().out
    assert "2 rents of 2 accelerators, as of 2026-11-29" in shown
    assert "left out: 1 lines, unknown accelerator NoSuchCard (line 8)" in shown
