"""The traces that come with the package, so that neither a plan nor the prediction of a profile waits for them.

    python benchmarks/ship_traces.py            print what is shipped for the current sources and versions, and how fast it is read
    python benchmarks/ship_traces.py --write    trace what is missing, and write the files and their keys

Shipped are the cases of all profiles, and, in bf16 and at the batch sizes that a plan traces, inference of every preset that is
planned from its own operators (served language models are not) at its own settings and at those of the scenarios of `plan --new`.
A file changes where a trace did, the keys of a family where its cases or the libraries did, `sources.json` with every source.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import multiprocessing
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core import registry
from aigc_bench.core.records import Case
from aigc_bench.measure.profiles import find_profile, profile_files
from aigc_bench.plan import demand as demand_file
from aigc_bench.plan.demand.demand_reader import read_demand
from aigc_bench.plan.demand.manual import scenario_names
from aigc_bench.plan.search.traced_candidates import BATCHES, PRECISION, case_of
from aigc_bench.predict.published.name_resolution import resolve_language_model
from aigc_bench.predict.roofline.operator_table import tables
from aigc_bench.predict.tracing.keys import FOLDER, case_key, library_versions, record_sources
from aigc_bench.predict.tracing.optrace import OpTrace
from aigc_bench.predict.tracing.shipped_traces import (
    KEYS,
    LIBRARIES,
    read_traces,
    shipped_libraries,
    shipped_trace,
    write_traces,
)
from aigc_bench.predict.tracing.trace_cache import trace_case

SCENARIOS = Path(demand_file.__file__).parent / "scenarios"
DECISIVE = {"mode": "infer", "precision": PRECISION, "backend": "cuda", "gradient_checkpointing": False, "attention": "auto"}
"""Fields that a file's name states where they are otherwise."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A case at batch 1, the batch sizes that profiles run it at, and whether plans need those of ``tables``."""

    case: Case
    batches: frozenset[int]
    is_planned: bool


def wanted() -> list[Wanted]:
    """All that is shipped; what differs in nothing but the batch size is one."""
    required = [(case, 1, True) for case in planned_cases()]
    required += [(case.model_copy(update={"batch_size": 1}), case.batch_size, False) for case in profile_cases()]
    names = {file_name(case): case for case, _, _ in required}
    return [
        Wanted(
            case=case,
            batches=frozenset(batch for one, batch, is_planned in required if file_name(one) == name and not is_planned),
            is_planned=any(is_planned for one, _, is_planned in required if file_name(one) == name),
        )
        for name, case in sorted(names.items())
    ]


def planned_cases() -> Iterator[Case]:
    """Inference of every preset at its own settings, and of services and batch jobs of all scenarios."""
    for name in registry.names("workloads"):
        for preset in registry.load("workloads", name).presets:
            if is_traced(name, preset):
                yield case_of(name, preset, "infer", precision=PRECISION, settings={})
    catalogue = load_catalogue(with_user_files=False)
    for name in scenario_names():
        demand = read_demand(SCENARIOS / f"{name}.toml", catalogue=catalogue)
        for load in (*demand.services, *demand.jobs):
            if load.mode == "infer" and is_traced(load.workload, load.preset or ""):
                yield case_of(load.workload, load.preset or "", "infer", precision=PRECISION, settings=load.settings)


def profile_cases() -> Iterator[Case]:
    """The cases of all profiles that can be predicted."""
    for name in profile_files():
        yield from (case for case in find_profile(name).cases if not case.workload.startswith("probe"))


def is_traced(workload: str, preset: str) -> bool:
    """Return whether a plan needs its operators: neither a probe nor a served language model."""
    # Plans take language models from the closed form; small ones of no published table are traced.
    is_served = workload == "gpt" and (resolve_language_model(preset) is not None or _num_params(preset) >= 1e9)
    return not workload.startswith("probe") and not is_served


def _num_params(preset: str) -> int:
    found = registry.load("workloads", "gpt").presets.get(preset)
    return 0 if found is None else found.num_params or 0


def file_name(case: Case) -> str:
    """Family, preset, and what is otherwise than a plan of the preset has it."""
    workload = registry.load("workloads", case.workload)
    own = workload.options(case.model_copy(update={"settings": {}})).model_dump()
    stated = [str(value) for field in DECISIVE if (value := getattr(case, field)) != DECISIVE[field]]
    stated += [f"{key}={value}" for key, value in workload.options(case).model_dump().items() if value != own[key]]
    return ".".join((case.workload, case.preset, *stated, "json.gz"))


def traces_of(one: Wanted) -> tuple[OpTrace, ...]:
    """All traces of the case, by growing batch size."""
    found: dict[int, OpTrace] = {}

    def trace(case: Case) -> OpTrace:
        found[case.batch_size] = trace_case(case)
        return found[case.batch_size]

    if one.is_planned:
        tables(one.case, BATCHES, trace=trace)
    for batch in one.batches - found.keys():
        trace(one.case.model_copy(update={"batch_size": batch}))
    return tuple(found[batch] for batch in sorted(found))


def write() -> None:
    """Trace, and put in place what is new; files of presets that are gone are removed."""
    (FOLDER / KEYS).mkdir(parents=True, exist_ok=True)
    keys: dict[str, dict[str, tuple[str, int]]] = {}
    selected = wanted()
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("spawn")) as pool:
        for one, traces in zip(selected, pool.map(traces_of, selected), strict=True):
            path = FOLDER / file_name(one.case)
            if not path.exists() or read_traces(path) != traces:
                write_traces(path, traces)
                print(f"{path.name}: {len(traces)} traces, {path.stat().st_size:,} B", flush=True)
            for index, found in enumerate(traces):
                case = one.case.model_copy(update={"batch_size": found.batch_size})
                keys.setdefault(case.workload, {})[case_key(case)] = (path.name, index)
    for workload, places in keys.items():
        lines = (f"{json.dumps(key)}: {json.dumps(place)}" for key, place in sorted(places.items(), key=lambda one: one[1]))
        (FOLDER / KEYS / f"{workload}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    (FOLDER / LIBRARIES).write_text(json.dumps(library_versions(), indent=1) + "\n", encoding="utf-8")
    record_sources()
    _remove_all_but(keys)


def _remove_all_but(keys: dict[str, dict[str, tuple[str, int]]]) -> None:
    wanted_files = {file for places in keys.values() for file, _ in places.values()}
    for path in (*FOLDER.glob("*.json.gz"), *(FOLDER / KEYS).glob("*.json")):
        if path.name not in wanted_files and path.stem not in keys:
            path.unlink()


def main() -> int:
    """Exit 1 where a case is not shipped as it would be traced today."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="trace what is missing and write the files")
    if parser.parse_args().write:
        write()
        return 0
    started = time.perf_counter()
    cases = [one.case.model_copy(update={"batch_size": batch}) for one in wanted() for batch in one.batches or (1,)]
    missing = [case for case in cases if shipped_trace(case) is None]
    seconds = time.perf_counter() - started
    made_with = ", ".join(f"{name} {version}" for name, version in shipped_libraries().items())
    print(f"{len(cases) - len(missing)} of {len(cases)} cases shipped, read in {seconds:.2f} s; made with {made_with}")
    for case in missing:
        print(f"not shipped as of today: {file_name(case)} at batch {case.batch_size}; run with --write")
    return 1 if missing else 0


if __name__ == "__main__":
    raise SystemExit(main())
