"""Peak memory: terms that add up, an allocator that behaves like one, and a real process compared with its prediction."""

from __future__ import annotations

import os
import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_bench.core.records import Case
from aigc_bench.predict.memory.peak import peak_memory
from aigc_bench.predict.tracing.caching_allocator import MIB, CachingAllocator, Event, peak_held_bytes
from aigc_bench.predict.tracing.trace import trace

GPT = Case(workload="gpt", preset="tiny", mode="train", batch_size=4, settings={"seq_len": 64})
LENGTHS = {"src_len": 128, "tgt_len": 128}
TRANSLATION = Case(workload="transformer", preset="tiny", mode="train", batch_size=16, threads=1, settings=LENGTHS)
MEASURE = """
import torch
from aigc_bench.core import registry
from aigc_bench.core.records import Case
from aigc_bench.measure.trial import host_peak_bytes, make_setup
torch.set_num_threads(1)
case = Case(**{case!r})
workload, engine = registry.load("workloads", case.workload), registry.load("engines", "torch-eager")
for module in workload.imports(case):
    __import__(module)
before = host_peak_bytes()
program = workload.build(case, make_setup(case, device=torch.device("cpu"), engine=engine))
for step in range(2):
    program.begin(step)
    for stage in workload.stages(case):
        for repeat in range(stage.repeats):
            program.stages[stage.name](repeat)
print(before, host_peak_bytes())
"""


def measured_bytes(case: Case, **environment: str) -> tuple[int, int]:
    """Peak resident bytes of a process before it builds the case and after two steps."""
    code = MEASURE.format(case=case.model_dump())
    env = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    before, after = done.stdout.split()
    return int(before), int(after)


PROCESS = ("interpreter", "libraries")


def test_live_tensors_are_most_of_a_process_whose_malloc_leaves_no_holes_and_no_more() -> None:
    before, after = measured_bytes(TRANSLATION, MALLOC_MMAP_THRESHOLD_="131072", MALLOC_TRIM_THRESHOLD_="131072")
    assert 0.8 < (before + peak_memory(trace(TRANSLATION)).tensors.value) / after < 1.0


def test_a_process_with_its_holes_is_within_eight_percent() -> None:
    before, after = measured_bytes(TRANSLATION)
    terms = peak_memory(trace(TRANSLATION)).terms
    assert terms["allocator"].value > 10 * MIB
    predicted = before + sum(term.value for name, term in terms.items() if name not in PROCESS)
    assert abs(predicted / after - 1) < 0.08


def test_a_weight_that_is_tied_after_it_was_made_counts_while_the_model_is_built() -> None:
    case = Case(workload="gpt", preset="gpt2-124m", mode="infer", settings={"prompt_len": 8, "max_new_tokens": 2})
    found = peak_memory(trace(case))
    vocabulary_bytes = 50_257 * 768 * 4
    assert found.moments["build"]["built"].value > trace(case).params_bytes + 0.9 * vocabulary_bytes
    assert found.terms == found.moments["build"]


def test_model_libraries_weigh_whether_they_are_named_or_imported_by_a_module_of_ours() -> None:
    traced = trace(TRANSLATION)
    bare, named, nested = (
        peak_memory(traced, libraries=libraries).terms["libraries"].value
        for libraries in ((), ("transformers.models.gpt2",), ("aigc_bench.nets.latent_diffusion",))
    )
    assert bare == 0 < named < nested


def test_a_library_that_only_a_function_or_a_type_checker_imports_weighs_nothing() -> None:
    """Text encoders name diffusers in an error message alone; the denoising networks import it."""
    traced = trace(TRANSLATION)
    texts, denoising = (
        peak_memory(traced, libraries=(f"aigc_bench.nets.{name}",)).terms["libraries"].value
        for name in ("components", "diffusion_transformer")
    )
    plain = peak_memory(traced, libraries=("transformers",)).terms["libraries"].value
    assert texts == plain < denoising


def test_terms_of_tensors_add_up_to_their_peak() -> None:
    traced = trace(GPT)
    found = peak_memory(traced)
    parts = ("parameters", "buffers", "optimizer", "kv_cache", "inputs", "step")
    terms = found.moments["step"]
    assert sum(terms[part].value for part in parts) == found.tensors.value == max(found.stages.values())
    assert found.total.value == sum(term.value for term in found.terms.values())
    assert found.total.low <= found.total.value <= found.total.high


def test_an_accelerator_adds_its_context_workspace_and_blocks() -> None:
    found = peak_memory(trace(GPT.model_copy(update={"backend": "cuda", "precision": "bf16"})))
    assert {"allocator", "workspace", "context"} <= set(found.terms)
    assert "interpreter" not in found.terms
    assert found.terms["context"].value > 100 * MIB
    assert all(term.source for term in found.terms.values())


def test_training_holds_gradients_and_two_moments_besides_the_parameters() -> None:
    traced = trace(GPT)
    found = peak_memory(traced)
    assert found.tensors.value > 4 * traced.params_bytes
    assert found.stages["backward"] > found.stages["optimizer"] - traced.gradient_bytes


def test_small_requests_share_a_segment_and_large_ones_have_their_own() -> None:
    allocator = CachingAllocator()
    allocator.take(1, 1000)
    allocator.take(2, 1000)
    assert (allocator.held_bytes, allocator.allocated_bytes) == (2 * MIB, 2 * 1024)
    allocator.take(3, 3 * MIB)
    assert allocator.held_bytes == 22 * MIB
    allocator.take(4, 50 * MIB + 1)
    assert allocator.held_bytes == 22 * MIB + 52 * MIB


def test_what_was_given_back_is_used_again() -> None:
    events = [Event(1, 64 * MIB), Event(1, None), Event(2, 60 * MIB), Event(2, None), Event(3, 64 * MIB)]
    assert peak_held_bytes(CachingAllocator(), events) == 64 * MIB


def test_neighbours_grow_together_when_both_are_free() -> None:
    allocator = CachingAllocator()
    for owner in (1, 2):
        allocator.take(owner, 10 * MIB - 512)
    held = allocator.held_bytes
    for owner in (1, 2):
        allocator.give_back(owner)
    allocator.take(3, 19 * MIB)
    assert allocator.held_bytes == held == 20 * MIB


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 40 * MIB), st.booleans()), min_size=1, max_size=60))
def test_the_allocator_never_holds_less_than_it_gave(requests: list[tuple[int, bool]]) -> None:
    allocator, live = CachingAllocator(), {}
    for owner, (size, is_freed) in enumerate(requests):
        allocator.take(owner, size)
        live[owner] = size
        if is_freed:
            freed = min(live)
            allocator.give_back(freed)
            del live[freed]
        assert sum(live.values()) <= allocator.allocated_bytes <= allocator.held_bytes
