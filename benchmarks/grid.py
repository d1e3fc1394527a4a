"""A grid of predictions to look at line by line: 25 accelerators x 10 workloads, each with its MFU and marks.

    python benchmarks/grid.py [--only GLOB]

Marks: ``HIGH`` an MFU above 0.75, ``host`` a step that its launches or its host bound rather than the device, ``no fit`` a batch
that the memory does not hold, ``CHEAP`` a part that is faster than one with more FLOP/s or bandwidth, and no less of either.
MFU of a served model counts 2 FLOPs for each active parameter and token read or written.
"""

from __future__ import annotations

import argparse
import fnmatch
from dataclasses import dataclass

from aigc_bench.catalog.loader import Catalogue, load_catalogue
from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.errors import AigcBenchError
from aigc_bench.predict.closed_form.links import LINKS, link_bytes_per_s, link_class
from aigc_bench.predict.predicted import PredictedRow
from aigc_bench.predict.queries import predict_one
from aigc_bench.predict.query import Query

ACCELERATORS = (
    "p100_sxm2_16gb", "v100_sxm2_32gb", "t4", "a2", "a10", "l4", "a30", "a40", "a100_pcie_80gb", "a100_sxm_80gb", "l40s",
    "rtx_3090", "rtx_4090", "rtx_5090", "rtx_6000_ada", "rtx_pro_6000_bw_server", "h100_pcie_80gb", "h100_sxm_80gb",
    "h200_sxm_141gb", "b200_sxm_180gb", "b300_sxm_288gb", "gb200_186gb", "mi250x", "mi300x", "mi355x",
)  # fmt: skip
WORKLOADS: dict[str, Query] = {
    "8B vllm b1": Query(what="gpt/llama-3.1-8b", engine="vllm", batch_size=1),
    "8B vllm b32": Query(what="gpt/llama-3.1-8b", engine="vllm", batch_size=32),
    "70B vllm tp8": Query(what="gpt/llama-3.1-70b", engine="vllm", batch_size=32, devices=8, parallel="tp=8"),
    "8x7B vllm tp2": Query(what="gpt/mixtral-8x7b", engine="vllm", batch_size=16, devices=2, parallel="tp=2"),
    "gpt2 infer": Query(what="gpt/gpt2-124m", batch_size=8),
    "gpt2 train": Query(what="gpt/gpt2-124m", mode="train", batch_size=8),
    "bert train": Query(what="bert/base", mode="train", batch_size=32),
    "sdxl infer": Query(what="latent_diffusion/sdxl", batch_size=1),
    "vae train": Query(what="vae", mode="train", batch_size=64),
    "transformer": Query(what="transformer", mode="train", batch_size=16),
}
HIGHEST_MFU = 0.75
TOLERATED = 1.02
"""Factor by which a part may be faster than one that is better on paper: rounding, and sizes that suit its tiles."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One prediction: items per second and MFU, ``None`` where there is none, and why."""

    rate: float | None
    mfu: float | None
    note: str = ""


def cell(query: Query, spec: AcceleratorSpec) -> Cell:
    """Predict one workload on one accelerator."""
    try:
        rows = {row.metric: row for _, row in predict_one(query, accelerators=[spec.id]).rows}
    except AigcBenchError as problem:
        return Cell(rate=None, mfu=None, note=problem.message[:60])
    rate = rows["throughput"].value
    mfu = rows["mfu"].value if "mfu" in rows else served_mfu(rows, spec, devices=query.devices)
    note = "no fit" if rows["throughput"].verdict == "invalid" else ""
    if not note and "host_bound" in rows["throughput"].reasons:
        note = "host"
    return Cell(rate=rate, mfu=mfu, note=f"{note} HIGH".strip() if mfu is not None and mfu > HIGHEST_MFU else note)


def served_mfu(rows: dict[str, PredictedRow], spec: AcceleratorSpec, *, devices: int) -> float | None:
    """Return the model FLOPs of prompts and answers over the peak of 16 bits; prompts of 1,024 tokens and answers of 128."""
    rate, active = rows["throughput"].value, rows["num_active_params"].value
    peak = spec.peak("bf16") or spec.peak("fp16")
    return None if rate is None or active is None or not peak else 2 * active * rate * (1 + 1024 / 128) / (peak * devices)


def cheaper_and_faster(cells: dict[str, Cell], specs: dict[str, AcceleratorSpec], *, devices: int) -> set[str]:
    """Return the parts that are faster than one which has more of everything that the roofline knows, links included."""
    found = set()
    for name, own in cells.items():
        for other, better in cells.items():
            if own.rate is None or better.rate is None or name == other:
                continue
            one, two = specs[name], specs[other]
            more_flops = (two.peak("bf16") or 0) / (one.peak("bf16") or one.peak("fp16") or 1)
            more_bandwidth = two.memory_bandwidth_bytes_per_s / one.memory_bandwidth_bytes_per_s
            # Parts that are alike on paper (B200, B300) are neither the better one.
            is_better = min(more_flops, more_bandwidth) >= 1 and max(more_flops, more_bandwidth) > TOLERATED
            if devices > 1:
                kinds = LINKS.index(link_class(two, devices=devices)) <= LINKS.index(link_class(one, devices=devices))
                rates = link_bytes_per_s(two, devices=devices) >= link_bytes_per_s(one, devices=devices)
                is_better = is_better and kinds and rates
            if is_better and own.rate > TOLERATED * better.rate:
                found.add(f"{name} > {other}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="*", help="workloads whose name matches")
    only = parser.parse_args().only
    catalogue: Catalogue = load_catalogue(with_user_files=False)
    specs = {name: catalogue.accelerator(name) for name in ACCELERATORS}
    for title, query in WORKLOADS.items():
        if not fnmatch.fnmatch(title, only):
            continue
        cells = {name: cell(query, spec) for name, spec in specs.items()}
        print(f"\n{title}")
        for name, own in cells.items():
            figures = "         -      -" if own.rate is None else f"{own.rate:10.4g} {own.mfu if own.mfu is not None else 0:6.3f}"
            print(f"  {name:24s}{figures}  {own.note}")
        for pair in sorted(cheaper_and_faster(cells, specs, devices=query.devices)):
            print(f"  CHEAP {pair}")


if __name__ == "__main__":
    main()
