"""Training a traced case on several devices: each holds the whole model (DDP), or a shard of it (FSDP, ZeRO-3).

    DDP    2 G (n - 1) / n            a ring's all-reduce of G bytes of gradients over n devices
    FSDP   3 G (f - 1) / f            weights gathered forward and backward, gradients scattered, over the f devices of a group
           + 2 (G / f) (n - 1) / n    the shard's gradients summed over the n / f groups that hold the same model

The plan's network factor counts the same bytes between servers (``plan.sizing.training_traffic``). A device of a group holds 1 / f
of parameters, gradients and optimizer state, and the blocks that are gathered. Exchange and computation are added: what of it hides
behind the backward pass is not modelled. Sources: ``closed_form.collectives``; Rajbhandari et al. 2020 (ZeRO), Zhao et al. 2023
(PyTorch FSDP).
"""

from __future__ import annotations

from collections.abc import Mapping

from aigc_bench.catalog.loader import Catalogue
from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.derivation import Derivation, record
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Estimate
from aigc_bench.predict.closed_form.collectives import collective_s
from aigc_bench.predict.closed_form.links import domain_devices
from aigc_bench.predict.engines import SERVED
from aigc_bench.predict.tracing.optrace import OpTrace

SHARDS = "fsdp"
"""The degree of ``--parallel`` that divides a model's states over a group of devices."""
_DEGREES = ("dp", SHARDS)
_EXCHANGES = 3
"""Of all states in a step: weights before the forward and before the backward pass, gradients after it."""
_GATHERED = 1 / 8
"""Share of the parameters that is whole at a time: a block in use and the next, of sixteen (assumed)."""


def shards_of(case: Case, parallel: Mapping[str, int]) -> int:
    """Return the devices among which a traced case's states are divided, 1 without.

    Raises ``UsageError`` where ``parallel`` has degrees that a trace of one device does not tell, or divides what is not trained.
    """
    if any(ranks > 1 for name, ranks in parallel.items() if name not in _DEGREES):
        raise UsageError(
            message("--parallel: {engine} is predicted with data parallelism only (dp, fsdp).", engine=case.engine),
            message("For tp and pp name a served engine: {served}.", served=", ".join(SERVED)),
        )
    shards = parallel.get(SHARDS, 1)
    if shards > 1 and case.mode != "train":
        raise UsageError(
            message("--parallel {name}={count}: it divides gradients and optimizer states, which inference has not.",
                    name=SHARDS, count=shards),
            message("Add --mode train."),
        )  # fmt: skip
    return shards


def refuse_shards(engine: str, parallel: Mapping[str, int]) -> None:
    """Raise ``UsageError`` where a serving engine is to divide states that only training has."""
    if parallel.get(SHARDS, 1) > 1:
        raise UsageError(
            message("--parallel {name}: {engine} serves, and has no states of training to divide.", name=SHARDS, engine=engine),
            message("Use tp, or --mode train with --engine torch-eager or torch-compile."),
        )


def exchange_s(case: Case, spec: AcceleratorSpec, trace: OpTrace, *, shards: int, catalogue: Catalogue) -> Estimate:
    """Return seconds in which the devices of a training step exchange weights and gradients; 0 in inference or on one device."""
    gradients = trace.gradient_bytes if case.mode == "train" else 0
    groups = case.devices // shards
    # A device sums its shard over its own link; the network cards of a server carry those of all its devices, which are the whole.
    size = gradients / shards if case.devices <= domain_devices(spec) else gradients
    summed = collective_s(size, kind="all_reduce", spec=spec, devices=case.devices if groups > 1 else 1, catalogue=catalogue)
    title = message("reduction of the gradients")
    if shards == 1:
        return record(summed, Derivation(None, key="gradient_reduction", title=title))
    # As long as a scatter of the gradients takes a gather of the weights, which are as wide.
    one = collective_s(gradients, kind="all_gather", spec=spec, devices=shards, catalogue=catalogue)
    ends = {name: getattr(summed, name) + _EXCHANGES * getattr(one, name) for name in ("value", "low", "high")}
    words = message("FSDP: two gathers of the weights and a scatter of the gradients, then the sum over the groups")
    whole = Estimate(**ends, unit="s", basis="modelled", source=words)
    return record(whole, Derivation(None, key="gradient_reduction", title=title))


def sharded(trace: OpTrace, shards: int) -> OpTrace:
    """Return the memory of one device of a group: its shard of all states, the gathered blocks, and its own activations."""
    if shards == 1:
        return trace
    kept = 1 / shards
    gathered = round(min(1.0, _GATHERED + kept) * trace.params_bytes) - round(kept * trace.params_bytes)
    spared = round((1 - kept) * trace.gradient_bytes)
    stages = tuple(
        stage.model_copy(
            update={
                "points": tuple(
                    point.model_copy(update={"peak_bytes": max(0, point.peak_bytes - spared) + gathered}) for point in stage.points
                )
            }
        )
        for stage in trace.stages
    )
    small = trace.model_copy(
        update={
            "params_bytes": round(kept * trace.params_bytes),
            "optimizer_bytes": round(kept * trace.optimizer_bytes),
            "stages": stages,
        }
    )
    if trace.device_held_bytes is None:
        return small
    # Blocks of the allocator beyond live tensors stay in proportion to them.
    return small.model_copy(update={"device_held_bytes": round(trace.device_held_bytes * small.peak_bytes / trace.peak_bytes)})
