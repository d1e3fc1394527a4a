"""Mutation testing by mutmut: a seeded sample of each folder's mutants, the score by folder and what survives.

    python tests/mutants/score.py [FOLDER ...] [--size 300] [--seed 1] [--children 2] [--survivors FILE]

A mutant is killed where a test that reaches it fails or never ends. ``equivalent.toml`` lists the mutants that no test can
kill, each with its reason. Wording is not mutated: changes within a text of several words, or of its capitals, are left out.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import io
import json
import os
import re
import shutil
import signal
import tokenize
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

HERE = Path(__file__).resolve().parent
EQUIVALENT = HERE / "equivalent.toml"
OUTCOMES = Path("mutants/outcomes")
RECORDED = Path("mutants/recorded.json")
GOAL = 0.85


def each(folder: str, names: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{name}" for name in names.split())


SOURCES: dict[str, tuple[str, ...]] = {
    "analyze": ("analyze/*",),
    "predict": (
        *each("predict/closed_form", "*"),
        *each("predict/language", "figures layer_kinds"),
        *each("predict/fitting", "effects intervals posterior random_effects unknown_names"),
        *each("predict/roofline", "device_power engine_operators omp_regions quantities roofline"),
        *each("predict/serving", "capacity closed_form_server concurrency kv_blocks lengths step_time"),
        *each("predict/tracing", "caching_allocator glibc_malloc"),
    ),
    "factors": ("plan/factors/*",),
    "money": ("plan/money/*",),
    "sizing": (
        *each("plan/sizing", "*"),
        *each("plan/stats", "distributions estimates queueing"),
        *each("plan", "demand/arrival_rates options/mixed"),
    ),
}

PLAN_TESTS = "factors money options/test_mixed.py placement site sizing stats hardware/test_host_cores.py demand/test_arrival_rates.py"
PLAN_ALONE = "by_hand formulae planner properties published_points"
TESTS: dict[str, tuple[str, ...]] = {
    "analyze": ("analyze",),
    "predict": (*each("predict", "closed_form fitting language roofline serving test_model.py tracing/test_glibc_malloc.py"),),
    "factors": (*each("plan", PLAN_TESTS), *each("plan", " ".join(f"test_{name}.py" for name in PLAN_ALONE.split()))),
}
TESTS["money"] = TESTS["sizing"] = TESTS["factors"]
"""The tests of the formulae themselves; those of whole plans and traces take too long to be run for each mutant."""


@dataclass(frozen=True, kw_only=True)
class Mutant:
    key: str
    function: str
    was: str
    became: str

    @property
    def mangled(self) -> str:
        return self.key.partition("__mutmut_")[0]

    @property
    def text(self) -> str:
        return "\n".join((self.key, self.was, self.became))

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.function, self.was, self.became


def files_of(folder: str) -> list[Path]:
    """Return the sources that make up ``folder``, in order."""
    found = (path for pattern in SOURCES[folder] for path in Path("aigc_bench").glob(f"{pattern}.py"))
    return sorted(path for path in found if path.name != "__init__.py")


def tokens(text: str) -> list[str]:
    lines = io.StringIO(text).readline
    return [token.string for token in tokenize.generate_tokens(lines) if token.string.strip()]


def is_wording(was: str, became: str) -> bool:
    """Return whether just a text for readers has changed: one of several words, or its capitals."""
    before, after = tokens(was), tokens(became)
    changed = [(old, new) for old, new in zip(before, after, strict=False) if old != new]
    if len(before) != len(after) or len(changed) != 1 or changed[0][0][-1] not in "'\"":
        return False
    old, new = changed[0]
    return " " in old.strip() or old.lower() == new.lower()


def changed_lines(was: str, became: str) -> tuple[str, str]:
    """Return the lines that differ, without indentation, joined."""
    pairs = [line for line in difflib.ndiff(was.splitlines(), became.splitlines()) if line[:2] in ("- ", "+ ")]
    joined = (" ".join(line[2:].strip() for line in pairs if line.startswith(sign)) for sign in "-+")
    return next(joined), next(joined)


def mutants_of(path: Path) -> list[Mutant]:
    """Return the mutants that mutmut made of the source ``path``, wording left out."""
    from mutmut.mutation.data import MutantLineSpans
    from mutmut.utils.format_utils import get_mutant_name, mangled_name_from_mutant_name

    spans = MutantLineSpans.load(path)
    names = list(spans.span_by_function_name) if spans else []
    text = dict(zip(names, spans.read_function_sources(names), strict=True)) if spans else {}
    found = []
    for name in names:
        mangled, _, number = name.rpartition("__mutmut_")
        if number == "orig":
            continue
        original = text[f"{mangled}__mutmut_orig"].replace(f"{mangled}__mutmut_orig", mangled)
        mutated = text[name].replace(name, mangled)
        if is_wording(original, mutated):
            continue
        key = get_mutant_name(path, name)
        function = re.sub(r"\.x_?", ".", mangled_name_from_mutant_name(key)).replace("ǁ", ".").replace("..", ".")
        was, became = changed_lines(original, mutated)
        found.append(Mutant(key=key, function=function, was=was, became=became))
    return found


def only_at_import() -> set[str]:
    """Return the functions, as mutmut names them, that nothing but the body of a module calls.

    A mutant is switched on once everything is imported, so no test can tell the mutants of these from the original.
    """
    found, used = set(), set()
    for path in Path("aigc_bench").rglob("*.py"):
        tree, module = ast.parse(path.read_text()), ".".join(path.with_suffix("").parts)
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        bodies = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.Lambda)]
        inside = {id(node) for body in bodies for node in ast.walk(body)}
        names = {name_of(node) for node in ast.walk(tree) if id(node) in inside}
        used |= {(module if name in defined else "", name) for name in names}
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and id(node) not in inside]
        found |= {(module, name) for call in calls if (name := name_of(call.func)) in defined}
    return {f"{module}.x_{name}" for module, name in found - used if ("", name) not in used}


def name_of(node: ast.AST) -> str:
    """Return the last part of the name that an expression uses; nothing for other nodes."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def sample(mutants: list[Mutant], *, size: int, seed: int) -> list[Mutant]:
    """Return ``size`` of ``mutants``, the same ones for a seed even where other functions have changed."""

    def place(mutant: Mutant) -> str:
        return hashlib.sha256(f"{seed}|{mutant.key}|{mutant.was}|{mutant.became}".encode()).hexdigest()

    return sorted(mutants, key=place)[:size]


def known_equivalents() -> dict[tuple[str, str, str], str]:
    """Return the reasons of the mutants that are judged equivalent, by identity."""
    entries = tomllib.loads(EQUIVALENT.read_text()).get("equivalent", [])
    return {(entry["function"], entry["was"], entry["became"]): entry["why"] for entry in entries}


def run(folder: str, mutants: list[Mutant], *, children: int, again: Sequence[str]) -> dict[str, str]:
    """Return what became of each mutant: run the tests that reach it in a process of its own, ``children`` at a time.

    What an earlier run found stands, unless it is one of ``again``: those who write tests look at survivors again.
    """
    file = OUTCOMES / f"{folder}.json"
    known: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    settled = {"killed", "timeout", "survived", "no tests"} - set(again)
    from mutmut.state import state
    from mutmut.workers.isolation import get_mutant_runner

    runner = get_mutant_runner(children)
    outcome = {mutant.key: known[mutant.text] for mutant in mutants if known.get(mutant.text) in settled}
    by_key = {mutant.key: mutant for mutant in mutants}
    own = tuple(f"tests/{name}" for name in TESTS[folder])

    def take() -> None:
        result = runner.wait_for_result()
        outcome[result.mutant_name] = known[by_key[result.mutant_name].text] = outcome_of(result.exit_code)
        file.write_text(json.dumps(known, indent=0))
        if len(outcome) % 50 == 0:
            click.echo(f"  {len(outcome)} of {len(mutants)}: {dict(Counter(outcome.values()))}", err=True)

    OUTCOMES.mkdir(exist_ok=True)
    runner.startup()
    try:
        for mutant in (one for one in mutants if one.key not in outcome):
            while not runner.has_capacity():
                take()
            reaching = state().tests_by_mangled_function_name.get(mutant.mangled, set())
            runner.submit(mutant.key, sorted(test for test in reaching if test.startswith(own)), 3600, 0.0)
        runner.signal_work_complete()
        while runner.pending_count():
            take()
    finally:
        runner.shutdown()
    return outcome


def outcome_of(exit_code: int) -> str:
    """Return what the end of a mutant's process means: pytest's codes 0, 1 and 5, mutmut's for no tests, signals of a limit."""
    by_code = {0: "survived", 1: "killed", 5: "no tests", 33: "no tests", -signal.SIGPROF: "timeout", -signal.SIGXCPU: "timeout"}
    return by_code.get(exit_code, f"broken ({exit_code})")


def prepare(folders: Sequence[str], *, children: int) -> None:
    """Make the mutants, and record which tests reach which function, unless an earlier run has done so."""
    from mutmut.__main__ import copy_also_copy_files, copy_src_dir, create_mutants, run_stats_collection, setup_source_paths
    from mutmut.configuration import config
    from mutmut.stats import load_stats
    from mutmut.workers.isolation import get_mutant_runner

    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    config().only_mutate = [str(path) for folder in folders for path in files_of(folder)]
    config().pytest_add_cli_args_test_selection = sorted({f"tests/{name}" for folder in folders for name in TESTS[folder]})
    Path("mutants").mkdir(exist_ok=True)
    copy_src_dir()
    copy_also_copy_files()
    setup_source_paths()
    create_mutants(children)
    load_stats()
    tests = config().pytest_add_cli_args_test_selection
    seen: dict[str, str] = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    files = {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for name in tests for file in test_files(Path(name))}
    if changed := [name for name, sha256 in files.items() if seen.get(name) != sha256]:
        click.echo(f"recording what {', '.join(changed)} reach", err=True)
        run_stats_collection(get_mutant_runner(children), changed)
        RECORDED.write_text(json.dumps(seen | files))


def test_files(path: Path) -> list[Path]:
    """Return the files of tests at or below ``path``."""
    return sorted(path.rglob("test_*.py")) if path.is_dir() else [path]


def tally(folder: str, mutants: list[Mutant], outcome: dict[str, str], *, of: int) -> tuple[str, list[Mutant]]:
    """Return the line of a folder and the survivors that are not judged equivalent."""
    equivalent = known_equivalents()
    count = Counter(outcome[mutant.key] for mutant in mutants)
    alive = [mutant for mutant in mutants if outcome[mutant.key] not in ("killed", "timeout")]
    survivors = [mutant for mutant in alive if mutant.identity not in equivalent]
    left = Counter(outcome[mutant.key] for mutant in survivors)
    judged = len(mutants) - (len(alive) - len(survivors))
    dead = judged - len(survivors)
    line = (
        f"| {folder} | {of} | {len(mutants)} | {count['killed']} | {count['timeout']} | {len(alive) - len(survivors)} "
        f"| {left['survived']} | {left['no tests']} | {dead / max(judged, 1):.1%} |"
    )
    return line, survivors


@click.command()
@click.argument("folders", nargs=-1)
@click.option("--size", default=300, show_default=True, help="Mutants sampled of each folder; all where there are fewer.")
@click.option("--seed", default=1, show_default=True)
@click.option("--children", default=2, show_default=True, help="Mutants tested at the same time.")
@click.option("--fresh", is_flag=True, help="Make the mutants and record the tests' reach anew.")
@click.option("--again", multiple=True, help="An outcome of an earlier run that is looked at again: survived, 'no tests'.")
@click.option("--survivors", type=click.Path(path_type=Path), default=Path("mutants/survivors.txt"), show_default=True)
def main(
    folders: tuple[str, ...], size: int, seed: int, children: int, fresh: bool, again: tuple[str, ...], survivors: Path
) -> None:
    """Print the mutation score of each of FOLDERS (all by default) and write what survives."""
    if fresh:
        shutil.rmtree("mutants", ignore_errors=True)
    prepare(folders or list(SOURCES), children=children)
    head = "| folder | mutants | sampled | killed | timeout | equivalent | survived | no tests | score |"
    lines, left = [head, "|---|---|---|---|---|---|---|---|---|"], []
    unreachable = only_at_import()
    for folder in folders or SOURCES:
        made = [one for path in files_of(folder) for one in mutants_of(path) if one.mangled not in unreachable]
        mutants = sample(made, size=size, seed=seed)
        outcome = run(folder, mutants, children=children, again=again)
        line, alive = tally(folder, mutants, outcome, of=len(made))
        lines.append(line)
        left += [f"# {folder}: {outcome[mutant.key]}\n{mutant.function}\n- {mutant.was}\n+ {mutant.became}\n" for mutant in alive]
    survivors.write_text("\n".join(left))
    click.echo("\n".join(lines))
    click.echo(f"seed {seed}; survivors in {survivors}")


if __name__ == "__main__":
    main()
