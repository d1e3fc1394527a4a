"""What a trace depends on, as keys: the case and the libraries (``case_key``), and the sources that decide it (``sources_digest``).

Sources count by their meaning: comments, docstrings and layout change no key. Parsing them takes about half a second, so the
meaning of every file is recorded next to the shipped traces, with a hash of its bytes, and parsed only where the bytes differ.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from aigc_bench.core import registry
from aigc_bench.core.records import Case
from aigc_bench.predict.tracing.optrace import OPTRACE_VERSION

SOURCES = "sources.json"
FOLDER = Path(__file__).parent.parent / "data" / "traces"
# The libraries whose classes decide which operators run; numpy, safetensors and the like decide none.
_LIBRARIES = ("torch", "transformers", "diffusers")
_PACKAGE = Path(__file__).parent.parent.parent
_TRACER = (
    "caching_allocator",
    "functions",
    "glibc_malloc",
    "optrace",
    "recorder",
    "scratch",
    "setup",
    "shapes",
    "stage_tracer",
    "storages",
)
# Not in it: keys, trace_cache and shipped_traces, which find traces but do not shape them.
_DECIDING = (*(f"predict/tracing/{name}.py" for name in (*_TRACER, "trace", "traffic")), "nets", "workloads")
_DECISIVE = {"workload", "preset", "mode", "precision", "batch_size", "attention", "gradient_checkpointing", "model"}
"""Fields of a case that change its operators, its settings aside; engine, scenario, threads and seed do not."""


def trace_key(case: Case) -> str:
    """A hash of all that the trace depends on; the name of its file in the cache."""
    workload = registry.load("workloads", case.workload)
    digest = hashlib.sha256(f"{case_key(case)} {sources_digest(case.workload)}".encode())
    for file in _workload_source(workload):
        # By bytes and not by meaning: nothing is recorded for files outside the package, and they may be of any kind.
        digest.update(file.read_bytes())
    # 128 bits: enough against collisions, and short enough for every file system's names.
    return digest.hexdigest()[:32]


def case_key(case: Case) -> str:
    """A hash of the case and the versions of the libraries that define its operators, independent of this package's sources."""
    workload = registry.load("workloads", case.workload)
    # First, so that a case that does not exist is refused by name instead of being given a key.
    workload.validate(case)
    parts = {
        "version": OPTRACE_VERSION,
        "case": case.model_dump(mode="json", include=_DECISIVE),
        "settings": workload.options(case).model_dump(mode="json"),
        # Accelerators are traced alike whatever their make; a CPU has its own attention, autocast rules and scratch memory.
        "is_cpu": case.backend == "cpu",
        "libraries": library_versions(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


@functools.cache
def sources_digest(workload: str) -> str:
    """A hash over the meanings of the files that decide the workload's traces, which stay while we run; other families' do not."""
    return hashlib.sha256(" ".join(meaning(file) for file in deciding_files(workload)).encode()).hexdigest()[:32]


def deciding_files(workload: str | None = None) -> Iterator[Path]:
    """Files of this package that decide the traces of one family, or of any; a family's own file is no other family's."""
    for path in (_PACKAGE / name for name in _DECIDING):
        # Sorted: the order of a directory differs between file systems and would change the digest.
        files = sorted(file for file in path.rglob("*") if file.suffix in (".py", ".json")) if path.is_dir() else [path]
        for file in files:
            # ``_`` marks what families share, as in core/registry.py, which registers no such file.
            is_shared = file.stem.startswith("_") or file.stem in ("base", workload)
            if workload is None or file.parent.name != "workloads" or is_shared:
                yield file


@functools.cache
def meaning(file: Path) -> str:
    """Return a hash of a source file's meaning: of Python the syntax tree without docstrings, of anything else its bytes."""
    content = file.read_bytes()
    known = recorded().get(file.relative_to(_PACKAGE).as_posix())
    if known is not None and known[0] == _hash(content):
        return known[1]
    return _hash(content if file.suffix != ".py" else ast.dump(_without_docstrings(content)).encode())


@functools.cache
def recorded() -> Mapping[str, tuple[str, str]]:
    """File -> hash of its bytes and its meaning, as they were when the shipped traces were made."""
    found: dict[str, tuple[str, str]] = json.loads((FOLDER / SOURCES).read_text(encoding="utf-8"))
    return found


def record_sources() -> None:
    """Write ``sources.json`` anew: one line for each file that decides a trace."""
    files = {file.relative_to(_PACKAGE).as_posix(): [_hash(file.read_bytes()), meaning(file)] for file in deciding_files()}
    lines = (f"{json.dumps(name)}: {json.dumps(hashes)}" for name, hashes in sorted(files.items()))
    (FOLDER / SOURCES).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


@functools.cache
def library_versions() -> dict[str, str | None]:
    """Versions of the libraries that define the operators, without the label of a build (``+cpu``), which changes none."""
    return {name: _version(name) for name in _LIBRARIES}


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _without_docstrings(source: bytes) -> ast.Module:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [child for child in node.body if not _is_text(child)]
    return tree


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _workload_source(workload: object) -> Iterator[Path]:
    """The file that defines a third party's workload; one without a file has none to change."""
    file = getattr(sys.modules.get(type(workload).__module__), "__file__", None)
    if file is not None and not Path(file).is_relative_to(_PACKAGE):
        yield Path(file)


def _version(library: str) -> str | None:
    try:
        # Metadata instead of ``library.__version__``: importing torch takes seconds, and a shipped trace does not need it.
        return importlib.metadata.version(library).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return None
