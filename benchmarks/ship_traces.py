"""The traces that come with the package, so that a plan of presets neither waits for torch nor for a trace.

    python benchmarks/ship_traces.py            say what is shipped of today's sources and versions, and how fast it is read
    python benchmarks/ship_traces.py --write    trace whatever is not, and write the files and their keys

Shipped is inference of every preset that is planned from its own operators (served language models are not), at its own settings
and at those of the scenarios of `plan --new`, in bf16, at the batch sizes that a plan traces. A file changes where a trace did,
`keys.json` with every change of the sources.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import multiprocessing
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core import registry
from aigc_bench.core.records import Case, Setting
from aigc_bench.plan import demand_file
from aigc_bench.plan.demand_file.reader import read_demand
from aigc_bench.plan.demand_file.scenarios import scenario_names
from aigc_bench.plan.search.traced import BATCHES, PRECISION, case_of
from aigc_bench.predict.names import resolve_language_model
from aigc_bench.predict.operator_table import tables
from aigc_bench.predict.optrace import OpTrace
from aigc_bench.predict.shipped_traces import FOLDER, KEYS, read_traces, shipped_keys, shipped_trace, write_traces
from aigc_bench.predict.trace_cache import library_versions, trace_case, trace_key

SCENARIOS = Path(demand_file.__file__).parent / "scenarios"


def shipped_cases() -> list[Case]:
    """Each at batch 1, at a preset's own settings or a scenario's; the other batch sizes are what ``tables`` asks for."""
    presets = [(name, preset, {}) for name in registry.names("workloads") for preset in registry.load("workloads", name).presets]
    asked = [(name, preset, settings) for name, preset, settings in (*presets, *scenario_settings()) if is_traced(name, preset)]
    cases = [case_of(name, preset, "infer", precision=PRECISION, settings=settings) for name, preset, settings in asked]
    return list({trace_key(case): case for case in reversed(cases)}.values())[::-1]


def scenario_settings() -> Iterator[tuple[str, str, Mapping[str, Setting]]]:
    """Family, preset and settings of the services and batch jobs of all scenarios."""
    catalogue = load_catalogue(with_user_files=False)
    for name in scenario_names():
        demand = read_demand(SCENARIOS / f"{name}.toml", catalogue=catalogue)
        yield from (
            (wish.workload, wish.preset or "", wish.settings) for wish in (*demand.services, *demand.jobs) if wish.mode == "infer"
        )


def is_traced(workload: str, preset: str) -> bool:
    """Whether a plan asks its own operators: neither a probe nor a served language model."""
    return not workload.startswith("probe") and not (workload == "gpt" and resolve_language_model(preset))


def file_name(case: Case) -> str:
    """Family, preset, and what is set otherwise than the preset has it."""
    workload = registry.load("workloads", case.workload)
    own = workload.options(case.model_copy(update={"settings": {}})).model_dump()
    set_otherwise = (f"{key}={value}" for key, value in workload.options(case).model_dump().items() if value != own[key])
    return ".".join((case.workload, case.preset, *set_otherwise, "json.gz"))


def traces_of(case: Case) -> tuple[Case, tuple[OpTrace, ...]]:
    """All traces that a plan of the case asks for, by growing batch size."""
    found: dict[int, OpTrace] = {}

    def trace(one: Case) -> OpTrace:
        found[one.batch_size] = trace_case(one)
        return found[one.batch_size]

    tables(case, BATCHES, trace=trace)
    return case, tuple(found[batch] for batch in sorted(found))


def write(cases: list[Case]) -> None:
    """Trace, and put in place what is new; files of presets that are gone are removed."""
    FOLDER.mkdir(exist_ok=True)
    keys: dict[str, tuple[str, int]] = {}
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("spawn")) as pool:
        for case, traces in pool.map(traces_of, cases):
            path = FOLDER / file_name(case)
            if not path.exists() or read_traces(path) != traces:
                write_traces(path, traces)
                print(f"{path.name}: {len(traces)} traces, {path.stat().st_size:,} B", flush=True)
            for index, one in enumerate(traces):
                keys[trace_key(case.model_copy(update={"batch_size": one.batch_size}))] = (path.name, index)
    written = {"libraries": library_versions(), "keys": dict(sorted(keys.items()))}
    (FOLDER / KEYS).write_text(json.dumps(written, indent=0) + "\n", encoding="utf-8")
    kept = {file for file, _ in keys.values()}
    for path in FOLDER.glob("*.json.gz"):
        if path.name not in kept:
            path.unlink()


def main() -> int:
    """Exit 1 where a case is not shipped as it would be traced today."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="trace what is missing and write the files")
    cases = shipped_cases()
    if parser.parse_args().write:
        write(cases)
        return 0
    started = time.perf_counter()
    missing = [case for case in cases if shipped_trace(trace_key(case)) is None]
    seconds = time.perf_counter() - started
    made_with = ", ".join(f"{name} {version}" for name, version in shipped_keys()["libraries"].items())
    print(f"{len(cases) - len(missing)} of {len(cases)} cases shipped, read in {seconds:.2f} s; made with {made_with}")
    for case in missing:
        print(f"not shipped as of today: {case.workload}/{case.preset}; run with --write")
    return 1 if missing else 0


if __name__ == "__main__":
    raise SystemExit(main())
