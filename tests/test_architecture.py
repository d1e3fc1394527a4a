"""The house rules, held by reading the source: layers, who may import torch, sizes, names, docstrings, the exact API."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

import aigc_bench
from aigc_bench.cli import COMMANDS
from aigc_bench.listing import KINDS

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "aigc_bench"

LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"core"}),
    frozenset({"catalog"}),
    frozenset({"nets", "engines", "telemetry", "accelerators", "data"}),
    frozenset({"workloads"}),
    frozenset({"measure"}),
    frozenset({"analyze"}),
    frozenset({"predict"}),
    frozenset({"plan"}),
    frozenset({"report"}),
    frozenset({"api", "listing"}),
    frozenset({"cli"}),
)
"""From the bottom up: a module imports its own part and what is below it, never a sibling or what is above."""

TORCH_ON_IMPORT = (
    "nets/",
    "engines/_exported.py",
    "engines/_int8.py",
    "engines/_int4.py",
    "engines/_fp8.py",
    "measure/trial.py",
    "measure/data_pipeline.py",
    "data/batches.py",
    "measure/window.py",
    "measure/ranks.py",
    "measure/reference.py",
    "measure/quality.py",
    "measure/tensors.py",
    "predict/tracing/",
)
TORCH_INSIDE_FUNCTIONS = (
    "workloads/",
    "engines/",
    "accelerators/",
    "measure/flops.py",
    "measure/fork_server.py",
    "measure/torch_survey.py",
)
MODEL_LIBRARIES = {"torch", "transformers", "diffusers"}
HEAVY = MODEL_LIBRARIES | {"pandas", "plotly", "scipy", "pyarrow", "rich", "jinja2"}

MAX_FILE_LINES = 450
MAX_FUNCTION_LINES = 60
MAX_BRANCHES = 19
BRANCHES = (ast.If, ast.For, ast.While, ast.ExceptHandler, ast.IfExp, ast.Assert, ast.match_case)
FORBIDDEN_NAMES = {"utils", "util", "common", "helpers", "helper", "misc"}
FORBIDDEN_ENDINGS = ("Manager", "Handler", "Processor")


def sources(folder: Path = PACKAGE) -> list[Path]:
    return sorted(folder.rglob("*.py"))


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(), filename=str(file))


def name_of(file: Path) -> str:
    return file.relative_to(PACKAGE).as_posix()


def part_of(file: Path) -> str:
    """The part of the house a file belongs to; the package's own ``__init__`` is the API."""
    first = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return {"__init__": "api", "__main__": "cli"}.get(first, first)


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imports(node: ast.AST, *, with_types: bool, is_deep: bool) -> Iterator[str]:
    """Dotted names that are imported below ``node``; ``is_deep`` looks inside functions, too."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            yield child.module
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        elif (is_type_checking(child) and not with_types) or (
            isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not is_deep
        ):
            continue
        else:
            yield from imports(child, with_types=with_types, is_deep=is_deep)


def functions(file: Path) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree(file)) if isinstance(node, ast.FunctionDef))


def test_every_part_of_the_house_has_its_layer() -> None:
    assert {part_of(file) for file in sources()} <= {part for layer in LAYERS for part in layer}


def test_imports_point_down() -> None:
    height = {part: level for level, layer in enumerate(LAYERS) for part in layer}
    wrong = []
    for file in sources():
        part = part_of(file)
        for name in imports(tree(file), with_types=True, is_deep=True):
            words = name.split(".")
            target = words[1] if words[0] == "aigc_bench" and len(words) > 1 else None
            if target in height and target != part and height[target] >= height[part]:
                wrong.append(f"{name_of(file)} imports {name}")
    assert not wrong


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def graph() -> dict[str, set[str]]:
    """Module -> modules of the package that it imports anywhere, in functions and under TYPE_CHECKING too."""
    files = {module_of(file): file for file in sources()}
    return {
        module: {name for name in imports(tree(file), with_types=True, is_deep=True) if name in files} - {module}
        for module, file in files.items()
    }


def cycles(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """What imports itself by way of others: removing whatever imports nothing more leaves exactly that."""
    left = {module: set(targets) for module, targets in edges.items()}
    while ends := {module for module, targets in left.items() if not targets & left.keys()}:
        left = {module: targets for module, targets in left.items() if module not in ends}
    return [[module, *sorted(targets & left.keys())] for module, targets in sorted(left.items())]


def test_no_module_imports_itself_by_way_of_others() -> None:
    children = {module: {name for name in targets if f"{name}." not in f"{module}."} for module, targets in graph().items()}
    assert not cycles(children)


@pytest.mark.parametrize("part", ["plan", "predict"])
def test_no_room_imports_itself_by_way_of_others(part: str) -> None:
    """A room is a folder of the part, or a file in its root."""

    def room(module: str) -> str:
        return ".".join(module.split(".")[:3])

    rooms: dict[str, set[str]] = {}
    for module, targets in graph().items():
        if module.startswith(f"aigc_bench.{part}."):
            rooms.setdefault(room(module), set()).update(room(name) for name in targets if name.startswith(f"aigc_bench.{part}."))
    assert not cycles({name: targets - {name} for name, targets in rooms.items()})


def test_model_libraries_are_imported_only_where_they_are_used() -> None:
    wrong = []
    for file in sources():
        name = name_of(file)
        on_import = MODEL_LIBRARIES & {word.split(".")[0] for word in imports(tree(file), with_types=False, is_deep=False)}
        anywhere = MODEL_LIBRARIES & {word.split(".")[0] for word in imports(tree(file), with_types=False, is_deep=True)}
        if on_import and not name.startswith(TORCH_ON_IMPORT):
            wrong.append(f"{name} imports {sorted(on_import)} when it is imported")
        if anywhere and not name.startswith(TORCH_ON_IMPORT + TORCH_INSIDE_FUNCTIONS):
            wrong.append(f"{name} imports {sorted(anywhere)}")
    assert not wrong


def test_what_every_command_passes_through_imports_nothing_heavy() -> None:
    light: tuple[str, ...] = (
        "core/",
        "cli/",
        "api/",
        "listing.py",
        "__init__.py",
        "measure/profiles.py",
        "measure/store.py",
        "measure/progress.py",
    )
    for file in sources():
        if name_of(file).startswith(light):
            found = HEAVY & {word.split(".")[0] for word in imports(tree(file), with_types=False, is_deep=False)}
            assert not found, name_of(file)


def test_the_api_is_exactly_this() -> None:
    assert aigc_bench.__all__ == [
        "Query",
        "compare",
        "doctor",
        "dry_run",
        "load",
        "metrics",
        "plan",
        "predict",
        "report",
        "resume",
        "run",
        "validate",
    ]
    assert all(callable(getattr(aigc_bench, name)) for name in aigc_bench.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'banana'"):
        aigc_bench.banana  # noqa: B018


def test_files_are_short() -> None:
    files = sources() + sources(ROOT / "tests") + sources(ROOT / "benchmarks") + sources(ROOT / "tools")
    long = {
        file.relative_to(ROOT).as_posix(): lines for file in files if (lines := len(file.read_text().splitlines())) > MAX_FILE_LINES
    }
    assert not long


def test_functions_are_short() -> None:
    long = {
        f"{name_of(file)}:{node.name}": lines
        for file in sources()
        for node in functions(file)
        if node.end_lineno is not None and (lines := node.end_lineno - node.lineno + 1) > MAX_FUNCTION_LINES
    }
    assert not long


def branches(node: ast.AST) -> int:
    """Cyclomatic complexity less one: with boolean operators and comprehensions, without functions and classes inside."""
    found = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            continue
        found += isinstance(child, BRANCHES)
        found += len(child.values) - 1 if isinstance(child, ast.BoolOp) else 0
        found += 1 + len(child.ifs) if isinstance(child, ast.comprehension) else 0
        found += branches(child)
    return found


def test_functions_have_few_branches() -> None:
    found = {f"{name_of(file)} {node.name}": 1 + branches(node) for file in sources() for node in functions(file)}
    assert not {name: count for name, count in found.items() if count > MAX_BRANCHES}


def test_public_functions_and_classes_have_docstrings() -> None:
    bare = []
    for file in sources():
        bare += [name_of(file)] if ast.get_docstring(tree(file)) is None else []
        for node in public(tree(file)):
            if ast.get_docstring(node) is None and not is_exempt(node):
                bare.append(f"{name_of(file)}:{node.name}")
    assert not bare


def public(node: ast.Module | ast.ClassDef) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    """Public functions and classes of a module, and public methods of its public classes."""
    for child in node.body:
        if isinstance(child, ast.FunctionDef | ast.ClassDef) and not child.name.startswith("_"):
            yield child
            if isinstance(child, ast.ClassDef):
                yield from public(child)


def is_exempt(node: ast.FunctionDef | ast.ClassDef) -> bool:
    """``forward`` of a network is torch's word; an overriding method is documented where it is declared."""
    marks = {mark.id for mark in node.decorator_list if isinstance(mark, ast.Name)}
    return node.name == "forward" or "override" in marks


def test_names_that_mean_nothing_are_not_used() -> None:
    paths = [word.removesuffix(".py") for file in sources() + sources(ROOT / "tests") for word in file.relative_to(ROOT).parts]
    assert not FORBIDDEN_NAMES & set(paths)
    classes = [node.name for file in sources() for node in ast.walk(tree(file)) if isinstance(node, ast.ClassDef)]
    assert not [name for name in classes if name.endswith(FORBIDDEN_ENDINGS)]


def test_nothing_is_printed_but_by_the_command_line() -> None:
    for file in sources():
        calls = [node.func.id for node in ast.walk(tree(file)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
        assert "print" not in calls, name_of(file)


def calls(file: Path) -> set[str]:
    """Dotted names of what a file calls, such as ``click.echo``."""
    return {ast.unparse(node.func) for node in ast.walk(tree(file)) if isinstance(node, ast.Call)}


def test_the_terminal_has_one_writer() -> None:
    """``cli.terminal`` escapes what a terminal would obey; the live line of ``cli.progress_display`` is rich's and escapes too."""
    writers = {"click.echo", "click.secho", "click.echo_via_pager", "sys.stdout.write", "sys.stderr.write"}
    found = {name_of(file): calls(file) & writers for file in sources()}
    assert {name for name, used in found.items() if used} == {
        "cli/terminal.py",
        "measure/torch_survey.py",
        "predict/memory/in_child.py",
    }, "torch_survey.py and in_child.py answer their parent in one line"
    assert {name_of(file) for file in sources() if "Console" in calls(file)} == {"cli/progress_display.py"}


def test_csv_has_one_writer() -> None:
    """``core.csv_file`` keeps formulas and hidden characters out of a table."""
    writers = {"csv.writer", "csv.DictWriter", "DictWriter"}
    files = sources() + sources(ROOT / "benchmarks") + sources(ROOT / "tools")
    found = [
        file.name for file in files if calls(file) & writers or any(name.endswith((".to_csv", ".to_excel")) for name in calls(file))
    ]
    assert found == ["csv_file.py"]


def test_only_the_worker_side_reads_the_clock_for_a_measurement() -> None:
    """Timing code in a workload would be measured by itself."""
    for folder in ("workloads", "nets", "engines"):
        for file in sources(PACKAGE / folder):
            found = {word.split(".")[0] for word in imports(tree(file), with_types=True, is_deep=True)}
            assert not found & {"time", "timeit", "datetime"}, name_of(file)


def test_no_unfinished_business_in_the_source() -> None:
    mark = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|NotImplementedError")
    for file in sources():
        assert not mark.search(file.read_text()), name_of(file)


def modules_after(*commands: tuple[str, ...]) -> set[str]:
    """Top-level modules that a fresh interpreter has imported after these command lines."""
    program = (
        "import sys, io, contextlib\n"
        "from aigc_bench.cli import main\n"
        f"for words in {commands!r}:\n"
        "    with contextlib.redirect_stdout(io.StringIO()):\n"
        "        code = main(words)\n"
        "    assert code == 0, (words, code)\n"
        "print(' '.join({name.split('.')[0] for name in sys.modules}))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_help_imports_next_to_nothing() -> None:
    words = [("--help",), *((command, "--help") for command in COMMANDS)]
    assert not modules_after(*words) & (HEAVY | {"pydantic", "numpy", "psutil"})


def test_list_and_profiles_import_no_model_library() -> None:
    assert not modules_after(*(("list", kind) for kind in KINDS), ("profiles", "show", "cpu")) & MODEL_LIBRARIES


def test_show_report_and_compare_import_no_model_library(smoke_run: Path) -> None:
    run = str(smoke_run)
    assert not modules_after(("show", run), ("report", run), ("compare", run, run)) & MODEL_LIBRARIES


def test_the_parent_of_a_run_imports_no_model_library() -> None:
    program = "import sys, aigc_bench.measure.runner; print(' '.join({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & (MODEL_LIBRARIES | {"pandas", "scipy", "plotly"})


def test_renderers_of_a_plan_read_its_view_alone() -> None:
    """Terminal and page format rows of ``plan.output`` and look nothing up; commands alone start other parts of the planner."""
    files = [file for file in sources() if name_of(file).startswith(("report/", "cli/")) and "/commands/" not in name_of(file)]
    found = [
        f"{name_of(file)} imports {name}"
        for file in files
        for name in imports(tree(file), with_types=True, is_deep=True)
        if name.startswith("aigc_bench.plan") and not name.startswith("aigc_bench.plan.output.")
    ]
    assert not found
