"""Our own measurements as a published table: written, read back as the same cases, and answered by the traced model."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from aigc_bench import api
from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.cli import main
from aigc_bench.core import registry
from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import PROBE_PREFIX, Case, Work
from aigc_bench.measure.store import load_run
from aigc_bench.predict.closed_form.columns import NotPredictable
from aigc_bench.predict.published.row import COLUMNS, PublishedQuery
from aigc_bench.predict.published.table import parse_row
from aigc_bench.predict.validation.own_results import case_of_row, is_own, published_table
from aigc_bench.predict.validation.scored_table import NoUsableRowError
from tests.analyze.synthetic import make_case, make_run

CATALOGUE = load_catalogue(with_user_files=False)
WORKLOADS = [name for name in registry.names("workloads") if not name.startswith(PROBE_PREFIX)]


def declared(case: Case) -> Work:
    work: Work = registry.load("workloads", case.workload).work(case)
    return work


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def query_of(cells: Mapping[str, str]) -> PublishedQuery:
    return parse_row({"value": "1", **cells}).query


def step_s(case: Case, trial: int) -> float:
    """50 GFLOP/s and 8 GB/s where the machine is probed, 20 ms elsewhere."""
    speed = {"probe_gemm": 50e9, "probe_memory": 8e9}.get(case.workload)
    return (1 + 0.01 * trial) * (declared(case).items_per_step / speed if speed else 0.02)


def test_a_real_run_is_written_in_the_documented_schema(smoke_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(smoke_run), "--as", "published"]) == 0
    rows = table(capsys.readouterr().out)
    assert {row["metric"] for row in rows} >= {"throughput", "step_time"}
    assert tuple(rows[0])[: len(COLUMNS)] == COLUMNS
    measured = {row.metric: row.value for row in api.rows(smoke_run)}
    for row in rows:
        assert float(row["value"]) == measured[row["metric"]]
        assert (row["family"], row["software"].split()[0]) == ("vae", "torch-eager")


def test_a_real_run_with_its_machine_named_is_answered_row_by_row(smoke_run: Path, tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text(api.published(smoke_run, gpu="h100"))
    found = api.validate(file, by=["track", "metric"])
    assert found.unanswered == {}
    assert {group.by["track"] for group in found.groups} == {"vae.train.traced"}
    assert all(group.answered == group.asked for group in found.groups)


def test_a_processor_that_was_not_probed_is_unanswered_and_says_what_to_do(smoke_run: Path, tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text(api.published(smoke_run))
    with pytest.raises(NoUsableRowError) as problem:
        api.validate(file)
    (reason,) = problem.value.scored.unanswered
    assert "unknown accelerator" in reason
    assert "@RUN" in reason


def test_a_machine_that_was_probed_answers_for_itself(tmp_path: Path) -> None:
    own = make_case(workload="gpt", preset="tiny", mode="infer", batch_size=2, settings={"prompt_len": 16, "max_new_tokens": 4})
    probes = [make_case(workload="probe_gemm", preset="square-1024"), make_case(workload="probe_memory", preset="triad")]
    run = make_run(tmp_path / "run", cases=[*probes, own], step_s=step_s, num_steps=30, work=declared)
    file = tmp_path / "own.csv"
    file.write_text(published_table(run, catalogue=CATALOGUE))
    rows = table(file.read_text())
    assert {row["gpu"] for row in rows} == {f"'@{run.path}"}, "no formula to a spreadsheet"
    assert {row["family"] for row in rows} == {"llm"}
    found = api.validate(file, by=["metric"])
    assert {group.by["metric"] for group in found.groups if group.answered} >= {"throughput", "step_time"}
    assert found.unanswered == {}


def test_a_run_of_probes_alone_has_nothing_to_publish(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", cases=[make_case(workload="probe_memory", preset="triad")], step_s=step_s, work=declared)
    with pytest.raises(UsageError, match="no number to publish"):
        published_table(run, catalogue=CATALOGUE)


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_case_of_every_family_comes_back_as_itself(workload: str, tmp_path: Path) -> None:
    family = registry.load("workloads", workload)
    presets = list(family.presets)
    for number, mode in enumerate(family.modes):
        case = Case(workload=workload, preset=presets[0], mode=mode, batch_size=3, precision="bf16", backend="cuda")
        run = make_run(tmp_path / str(number), cases=[case], work=declared)
        for cells in table(published_table(run, catalogue=CATALOGUE, gpu="h100")):
            query = query_of(cells)
            assert is_own(query)
            assert case_of_row(query) == case
            bare = case_of_row(query_of({**cells, "config_json": ""}))
            assert family.options(bare) == family.options(case)
            assert (bare.mode, bare.batch_size, bare.precision) == (mode, 3, "bf16")


def test_what_others_published_is_not_taken_for_ours() -> None:
    published = {"family": "llm", "model": "Llama-3.1-8B", "gpu": "h100", "metric": "tpot", "value": "9", "unit": "ms"}
    assert not is_own(query_of({**published, "software": "vllm 0.19.0"}))
    assert not is_own(query_of({**published, "software": "torch.compile (2.1.0)"}))
    assert not is_own(query_of({**published, "software": "torch-eager", "model": "Foo-13B"}))
    assert is_own(query_of({**published, "software": "torch-eager 2.13.0"}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"family": "llm", "model": "llama-3.1-8b", "metric": "tpot", "input_len": "100.5"},
            "input_len 100.5 is not a whole number",
        ),
        (
            {"family": "diffusion-image", "model": "sdxl", "metric": "latency_p50", "resolution": "1024x768"},
            "1024x768 is not square",
        ),
    ],
)
def test_a_setting_that_no_case_has_is_not_cut_to_one(changes: dict[str, str], words: str) -> None:
    query = query_of({"gpu": "A100", "unit": "s", "software": "torch-eager", "precision": "bf16"} | changes)
    with pytest.raises(NotPredictable, match=words):
        case_of_row(query)


def test_a_case_that_is_none_is_a_reason_and_no_crash() -> None:
    cells = {
        "family": "llm",
        "model": "tiny",
        "gpu": "h100",
        "software": "torch-eager",
        "metric": "tpot",
        "unit": "s",
        "value": "1",
    }
    for case in ({"workload": "gpt"}, {"workload": "gtp", "preset": "tiny", "mode": "infer"}):
        with pytest.raises(NotPredictable):
            case_of_row(query_of({**cells, "config_json": json.dumps({"case": case})}))
    with pytest.raises(NotPredictable, match="fp8"):
        case_of_row(query_of({**cells, "precision": "fp8"}))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"gpu": "H1000"}, "unknown accelerator 'H1000'. Did you mean"),
        ({"gpu": "@nowhere"}, "nowhere"),
        ({"model": "Lama-3.1-x"}, "unknown model 'Lama-3.1-x'. Did you mean llama-3.1"),
        ({"precision": "bg16"}, "unknown precision 'bg16'. Did you mean bf16"),
        ({"family": "llmm"}, "unknown family 'llmm'. Did you mean llm"),
        ({"metric": "ttfft"}, "ttfft"),
    ],
)
def test_an_unknown_name_in_a_table_is_counted_with_the_nearest(changes: dict[str, str], reason: str, tmp_path: Path) -> None:
    cells = {
        "family": "llm", "task": "infer-online", "model": "Llama-3.1-8B", "gpu": "H100-SXM-80GB", "precision": "fp8",
        "software": "vllm 0.19.0", "concurrency": "8", "input_len": "1024", "output_len": "128", "metric": "tpot", "value": "9",
        "unit": "ms",
    }  # fmt: skip
    file = tmp_path / "table.csv"
    for name, row in (("good", cells), ("bad", {**cells, **changes})):
        file = tmp_path / f"{name}.csv"
        file.write_text(",".join(row) + "\n" + ",".join(row.values()) + "\n")
    assert api.validate(tmp_path / "good.csv").unanswered == {}
    with pytest.raises(NoUsableRowError) as problem:
        api.validate(file)
    (line,) = problem.value.scored.unanswered
    assert reason in line
    assert "\n" not in line


def test_published_and_own_rows_of_one_table_keep_their_order(smoke_run: Path, tmp_path: Path) -> None:
    own = table(published_table(load_run(smoke_run), catalogue=CATALOGUE, gpu="h100"))[0]
    other = {**own, "family": "llm", "model": "Llama-3.1-8B", "software": "vllm 0.19.0", "metric": "tpot", "config_json": ""}
    file, out = tmp_path / "table.csv", tmp_path / "rows.csv"
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, fieldnames=list(own))
        writer.writeheader()
        writer.writerows([other, own, other])
    api.validate(file, rows_out=out)
    assert [row["family"] for row in table(out.read_text())] == ["llm", "vae", "llm"]
