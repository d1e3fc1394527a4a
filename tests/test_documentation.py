"""What the documentation says is so: its commands and options exist, its links resolve, its examples run."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from aigc_bench.analyze.reason_codes import REASONS
from aigc_bench.cli import group
from aigc_bench.cli.commands.list import KINDS
from aigc_bench.core import registry
from aigc_bench.measure.profiles import profile_files
from aigc_bench.measure.stopping import LEVELS
from aigc_bench.predict.query import Query, QueryFields, RequestLoad

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PAGES = [README, ROOT / "CHANGELOG.md", ROOT / "benchmarks" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXTENDING = ROOT / "docs" / "extending.md"


def blocks(page: Path, *, language: str = "") -> list[str]:
    """The fenced blocks of a page in one language."""
    fences = re.finditer(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [fence.group(2) for fence in fences if fence.group(1) == language]


def command_lines(page: Path) -> list[list[str]]:
    """The words of every ``aigc-bench ...`` line in the page's blocks, without comments and without where the output goes."""
    lines = [line for block in blocks(page) for line in block.splitlines()]
    return [shlex.split(line.partition(" > ")[0], comments=True) for line in lines if line.startswith("aigc-bench ")]


def resolved(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that a line's words name, and the words that are left for it."""
    command: click.Command = group
    rest = words[1:]
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        child = command.get_command(click.Context(command), rest[0])
        assert child is not None, f"no such command: {' '.join(words)}"
        command, rest = child, rest[1:]
    return command, rest


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_line_in_the_documentation_is_understood(page: Path) -> None:
    """Parsed as click would, without running: an unknown option or a missing argument raises."""
    for words in command_lines(page):
        command, rest = resolved(words)
        command.make_context(" ".join(words[:2]), list(rest))


def test_the_readme_shows_every_command_and_only_kinds_that_can_be_listed() -> None:
    shown = {words[1] for page in (README, EXTENDING) for words in command_lines(page)}
    assert shown == set(group.list_commands(click.Context(group)))
    text = README.read_text()
    assert all(kind in text for kind in KINDS)


def test_every_option_named_in_the_documentation_exists() -> None:
    known = set(re.findall(r"--[a-z][a-z-]+", (ROOT / "tests" / "test_cli.py").read_text()))
    foreign = {"--index-url", "--runs"}  # of pip, and of a benchmark
    for page in (README, EXTENDING, *sorted((ROOT / "docs").glob("*.md"))):
        assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page.read_text())) - foreign <= known, page.name


def test_the_readme_names_every_shipped_profile() -> None:
    text = README.read_text()
    assert [name for name in profile_files() if f"`{name}`" not in text and f"--profile {name}" not in text] == []


def test_the_readme_opens_with_the_two_commands_the_makefile_has() -> None:
    first_block = blocks(README)[0]
    targets = [line.split()[1] for line in first_block.splitlines()]
    assert targets == ["run", "test"]
    makefile = (ROOT / "Makefile").read_text()
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in [*targets, "setup", "lint", "bench"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_resolve(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), f"{page.name}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, f"{page.name}: {target}"


def slug(heading: str) -> str:
    """A heading's anchor as the forges make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("target", ["offline throughput, NVLink", "TPOT and ITL", "TTFT"])
def test_the_readme_states_the_errors_that_were_scored(target: str) -> None:
    with (ROOT / "docs" / "accuracy.csv").open() as file:
        rows = {row["group"]: row["median"] for row in csv.DictReader(file) if row["by"] == "target"}
    assert f"{rows[f'language models, {target}']} %" in README.read_text()


def test_the_readme_shows_a_real_report() -> None:
    image = (ROOT / "docs" / "report.png").read_bytes()
    assert image.startswith(b"\x89PNG")
    assert int.from_bytes(image[16:20]) >= 1000


def test_method_lists_exactly_the_reason_codes_there_are() -> None:
    table = (ROOT / "docs" / "method.md").read_text().split("<!-- reasons -->")[1].split("<!-- /reasons -->")[0]
    rows = [tuple(cell.strip() for cell in line.strip().strip("|").split("|")) for line in table.strip().splitlines()[2:]]
    assert rows == [(f"`{reason.code}`", reason.severity, reason.meaning) for reason in REASONS.values()]


def test_method_states_the_levels_as_they_are() -> None:
    text = (ROOT / "docs" / "method.md").read_text()
    for name, rule in LEVELS.items():
        (row,) = re.findall(rf"^\| `{name}` \| (.+) \|$", text, re.MULTILINE)
        trials, warmup, window = (cell.strip() for cell in row.split("|"))
        assert trials == str(rule.num_trials)
        assert warmup.endswith(f"{rule.warmup_cap_s:g} s") or warmup == "as `default`"
        assert window == f"{rule.window_min_steps} steps and {rule.window_min_s:g} s, {rule.window_cap_s:g} s"


def test_extending_names_every_group_with_its_folder() -> None:
    text = EXTENDING.read_text()
    for name, (package, offered) in registry.GROUPS.items():
        assert f"| `{package.replace('.', '/')}/` | `{offered}` |" in text
        assert f"`aigc_bench.{name}`" in text


def test_the_example_workload_runs_as_a_third_party_would_add_it(tmp_path: Path) -> None:
    """The page's two files are written out, announced by an entry point, listed and measured."""
    text = EXTENDING.read_text()
    for name, content in re.findall(r"<!-- test: (\S+) -->\n```\w+\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        (tmp_path / name).write_text(content)
    (entry_points,) = [block for block in blocks(EXTENDING, language="toml") if "entry-points" in block]
    points = tomllib.loads(entry_points)["project"]["entry-points"]["aigc_bench.workloads"]
    folder = tmp_path / "my_package-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[aigc_bench.workloads]\n" + "".join(f"{k} = {v}\n" for k, v in points.items()))

    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "aigc_bench", *words], capture_output=True, text=True, check=False, env=environment, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert re.search(r"^gru +small ", run("list", "workloads"), re.MULTILINE)
    (words,) = [words for words in command_lines(EXTENDING) if words[1] == "run" and "./gru.toml" in words]
    out = run(*words[1:], "--budget", "5s")
    assert re.search(r"^gru/small/train/fp32/b8/seq_len=32 +[\d,.]+ tokens/s", out, re.MULTILINE)
    assert re.search(r"^gru/small/infer/fp32/b8/seq_len=32 +[\d,.]+ tokens/s", out, re.MULTILINE)


def printed_by(program: str, folder: Path) -> str:
    """What a Python program prints in a folder, run in this process, which has imported the libraries already."""
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as out:
        patch.chdir(folder)
        exec(compile(program, "example", "exec"), {"__name__": "__main__"})
    return out.getvalue()


def test_the_readmes_python_example_runs(tmp_path: Path, smoke_run: Path) -> None:
    """As written, on a stored run: measuring is the command line's test."""
    (example,) = [block for block in blocks(README, language="python") if "import aigc_bench" in block]
    program = example.replace('ab.run("smoke", out="runs/mine")', f"ab.load({str(smoke_run)!r})")
    assert program != example
    assert "images/s" in printed_by(program, tmp_path)
    assert (tmp_path / "mine.html").is_file()


def test_the_python_page_runs_from_top_to_bottom(tmp_path: Path) -> None:
    """Its cells, in one namespace; the lines that it shows of a result's table are the result's."""
    for folder in ("reports", "examples"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    page = ROOT / "docs" / "python.md"
    program = "\n".join(blocks(page, language="python")) + "\nprint(run, served, plan, sep='\\n')\n"
    shown = {tuple(line.split()) for line in printed_by(program, tmp_path).splitlines()}
    assert {tuple(line.split()) for block in blocks(page) for line in block.splitlines()} <= shown


def test_the_python_page_names_every_field_of_a_query() -> None:
    text = (ROOT / "docs" / "python.md").read_text()
    fields = {*Query.model_fields} - {"what"}
    assert {*fields, *RequestLoad.model_fields} <= set(re.findall(r"`(\w+)`", text))
    assert fields == {*QueryFields.__annotations__}


def test_the_example_of_a_profile_in_the_source_is_valid(tmp_path: Path) -> None:
    import aigc_bench.measure.profiles as module

    assert module.__doc__ is not None
    example = "\n".join(line[4:] for line in module.__doc__.splitlines() if line.startswith("    ") or not line)
    file = tmp_path / "a100.toml"
    file.write_text(example)
    profile = module.load_profile(file)
    assert {case.engine for case in profile.cases if case.mode == "infer"} == {"torch-eager", "torch-compile"}
    assert {case.precision for case in profile.cases if case.mode == "train"} == {"bf16"}


# What no file may hold


def committed_files() -> list[Path]:
    """Text files that git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    files = [ROOT / line for line in listed.stdout.splitlines()]
    binary = {".png", ".parquet", ".html", ".gz", ".ico", ".woff2"}
    return [file for file in files if file.is_file() and file.suffix not in binary]


def test_no_file_names_a_developers_machine_or_a_package_registry() -> None:
    home = r"/(?:home|root|Users)/\w+"
    hosts = "|".join(re.escape(host) for host in ("pypi" + ".org", "files.pythonhosted" + ".org", "download.pytorch" + ".org"))
    forbidden = re.compile(rf"{home}|/work/|\.\./shared|shared/reference|{hosts}")
    own = Path(__file__).resolve()
    found = {
        file.relative_to(ROOT).as_posix(): match.group()
        for file in committed_files()
        if file != own and (match := forbidden.search(file.read_text(errors="replace")))
    }
    assert not found
