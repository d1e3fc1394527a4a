"""The data pipeline on a real amount of data: 1,000 JPEGs, 200 WAVs and 50 MB of text, with a corrupt image and an empty file.

    python benchmarks/pipeline.py                       # a few minutes on two cores
    python benchmarks/pipeline.py --data DIR --keep     # write the data into DIR and leave it there

Prints, hot and cold: the shares of preprocess and postprocess, the data stall of training, loader processes, host CPU time an item,
and what was skipped. Exit 1 where the two bad files were not named.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import aigc_bench
from aigc_bench import api
from aigc_bench.core.units import quantity
from aigc_bench.data.generated import TEXT_FILE_BYTES, write_files
from aigc_bench.measure.profiles import load_profile
from aigc_bench.measure.store import Run

CORRUPT, EMPTY = "images/class-003/cut-short.jpg", "images/class-004/empty.jpg"
METRICS = (
    "step_time", "stage_share.preprocess", "stage_share.postprocess", "data_stall", "loader_workers", "host_cpu_per_item",
    "cores_per_device", "data_cached",
)  # fmt: skip
PROFILE = """
name = "pipeline"
title = "What the data pipeline takes"
level = "quick"
[defaults]
backend = "cpu"
[[case]]
workload = "vision"
preset = "resnet-tiny"
batch_size = 32
[[case]]
workload = "vae"
preset = "conv-64"
mode = "train"
batch_size = 32
[[case]]
workload = "image_enhancement"
preset = "tiny"
batch_size = 4
[[case]]
workload = "speech_recognition"
preset = "tiny"
batch_size = 8
[[case]]
workload = "bert"
preset = "tiny"
batch_size = 32
settings = { seq_len = 128 }
[[case]]
workload = "gpt"
preset = "tiny"
batch_size = 8
settings = { seq_len = 128 }
"""


def write_data(folder: Path, *, images: int, waves: int, text_bytes: int) -> None:
    """The layouts of ImageNet, LibriSpeech and BookCorpus below ``folder``, and two bad files."""
    sizes = {
        "images": write_files("image", folder / "images", count=images),
        "audio": write_files("audio", folder / "audio", count=waves, suffix=".wav"),
        "text": write_files("text", folder / "text", count=-(-text_bytes // TEXT_FILE_BYTES)),
    }
    whole = next((folder / "images").rglob("*.jpg")).read_bytes()
    for name, data in ((CORRUPT, whole[: len(whole) // 2]), (EMPTY, b"")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    print(", ".join(f"{kind} {quantity(size, 'B')}" for kind, size in sizes.items()))


def print_metrics(run: Run) -> None:
    """One line a case: what its pipeline takes."""
    rows = {(row.case, row.metric): row for row in api.rows(run)}
    print("  ".join(("case", *METRICS)))
    for case in run.info.cases:
        found = [rows.get((case.id, metric)) for metric in METRICS]
        cells = ["-" if row is None or row.value is None else quantity(row.value, row.unit) for row in found]
        print("  ".join((case.id.replace(f"@{(case.pipeline.sha256 or '')[:8]}" if case.pipeline else "", ""), *cells)))


def skipped(run: Run) -> dict[str, str]:
    """Names and reasons of all samples that any trial skipped."""
    uses = [trial.pipeline for trial in run.trials if trial.pipeline is not None]
    return {one.name: one.reason for use in uses for source in use.sources for one in source.skipped}


def main() -> int:
    """Write, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder to write the data into (default: a temporary one)")
    parser.add_argument("--keep", action="store_true", help="use what lies there already, and leave it there")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--waves", type=int, default=200)
    parser.add_argument("--text-mb", type=int, default=50)
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 2], help="numbers of loader processes")
    parser.add_argument("--only", nargs="*", default=[], help="globs over case names")
    parser.add_argument("--budget", type=float, default=150.0, help="seconds to measure for")
    parser.add_argument("--out", type=Path, help="run directory")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.data or Path(scratch) / "data"
        if not (options.keep and folder.is_dir()):
            write_data(folder, images=options.images, waves=options.waves, text_bytes=options.text_mb << 20)
        profile = Path(scratch) / "pipeline.toml"
        profile.write_text(PROFILE)
        run = aigc_bench.run(
            load_profile(profile),
            only=options.only,
            budget_s=options.budget,
            out=options.out or Path(scratch) / "run",
            pipelines=api.pipelines(folder, caches=("hot", "cold"), workers=options.workers),
        )
        print_metrics(run)
        bad = skipped(run)
        for name, reason in bad.items():
            print(f"skipped {name}: {reason}")
    return 0 if {CORRUPT, EMPTY} <= set(bad) else 1


if __name__ == "__main__":
    sys.exit(main())
