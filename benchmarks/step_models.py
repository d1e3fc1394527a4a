"""The work of the models behind published results of steps: ``aigc_bench/predict/data/step_models.csv``.

    python benchmarks/step_models.py            print what the traces say, and how far it is from what is shipped
    python benchmarks/step_models.py --write    write it

A row with a ``preset`` takes its FLOPs, bytes and kernels from that shipped trace; only its name, pattern and what one item is are
typed. A row without one is of a model that this tool cannot build: its figures are closed forms or published counts, with their
source. All figures are of one item of the reference size, in sixteen bits, one call of the network, one branch of guidance.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Mapping

from aigc_bench.core.csv_file import write_csv
from aigc_bench.predict.closed_form.step_models import StepModel, data_file, step_models
from aigc_bench.predict.tracing.keys import FOLDER
from aigc_bench.predict.tracing.optrace import Operator, OpTrace, StageTrace
from aigc_bench.predict.tracing.shipped_traces import read_traces

COLUMNS = tuple(StepModel.model_fields)
_PRODUCTS = ("gemm", "conv", "attention")
_DENOISERS = ("latent_diffusion", "diffusion_transformer", "video_diffusion")


def traced_figures(preset: str, *, branches: float) -> Mapping[str, float]:
    """The figures of one item; ``preset`` is the name of a shipped trace, and after a colon the stages that count."""
    name, _, wanted = preset.partition(":")
    trace = read_traces(FOLDER / f"{name}.json.gz")[0]
    stages = [stage for stage in trace.stages if not wanted or stage.name in wanted.split("+")]
    repeated = [stage for stage in stages if stage.repeats > 1 or (trace.workload in _DENOISERS and stage.name == "denoise")]
    once = [stage for stage in stages if stage not in repeated]
    if trace.workload in _DENOISERS:
        return {**_main(repeated, trace, divide=branches), **_once(once), "params": _params(repeated)}
    return {**_main(once, trace, divide=1.0), **_decoder(repeated), "params": _params(once)}


def _main(stages: list[StageTrace], trace: OpTrace, *, divide: float) -> dict[str, float]:
    """One call of one branch."""
    calls = {stage.name: stage.repeats for stage in stages}

    def total(quantity: object) -> float:
        assert callable(quantity), "a quantity of an operator"
        return sum(stage.total(quantity) / calls[stage.name] for stage in stages) / trace.batch_size

    attention = total(lambda op: op.flops if op.kind == "attention" else 0)
    return {
        "flops": (total(lambda op: op.flops) - attention) / divide,
        "attention_flops": attention / divide,
        "product_bytes": total(lambda op: _activations(op) if op.kind in _PRODUCTS else 0) / divide,
        "pointwise_bytes": total(lambda op: _activations(op) if op.kind not in _PRODUCTS else 0) / divide,
        # Both branches run as one batch, so that its kernels are not divided.
        "kernels": total(lambda op: 1) * trace.batch_size,
    }


def _once(stages: list[StageTrace]) -> dict[str, float]:
    """Encoders of the prompt and decoders of the latents: once an item, whatever the steps."""
    return {
        "once_flops": sum(stage.flops for stage in stages),
        "once_bytes": sum(stage.total(lambda op: op.moved_bytes) for stage in stages),
        "once_kernels": sum(stage.total(lambda op: 1) for stage in stages),
    }


def _decoder(stages: list[StageTrace]) -> dict[str, float]:
    """One step of an autoregressive decoder over one sequence: parameters read, FLOPs, bytes of caches and activations."""
    if not stages:
        return {}
    steps = sum(stage.repeats for stage in stages)
    return {
        "decoder_steps": steps,
        "decoder_params": sum(stage.total(lambda op: op.params_read_bytes) for stage in stages) / steps / 2,
        "decoder_flops": sum(stage.flops for stage in stages) / steps,
        "decoder_bytes": sum(stage.total(_activations) for stage in stages) / steps,
        "decoder_kernels": sum(stage.total(lambda op: 1) for stage in stages) / steps,
    }


def _activations(op: Operator) -> float:
    return op.moved_bytes - op.params_read_bytes


def _params(stages: list[StageTrace]) -> float:
    """Parameters that the stages read, sixteen bits each."""
    return sum(stage.total(lambda op: op.params_read_bytes) / stage.repeats for stage in stages) / 2


def rows() -> Iterator[list[str]]:
    """The rows of the file with today's traces."""
    with data_file().open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["preset"]:
                found = traced_figures(row["preset"], branches=float(row["branches"] or 1))
                # Steps of a decoder are the tokens of what is published, where they are typed.
                row |= {name: f"{value:.4g}" for name, value in found.items() if name != "decoder_steps" or not row[name]}
            yield [row[name] for name in COLUMNS]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write aigc_bench/predict/data/step_models.csv")
    given = parser.parse_args()
    found = list(rows())
    for shipped, row in zip(step_models(), found, strict=True):
        if shipped.preset:
            now = float(row[COLUMNS.index("flops")] or 0)
            print(f"{shipped.name:26s} {shipped.preset:48s} {now:9.3g} FLOPs, shipped {shipped.flops:9.3g}")
    if given.write:
        write_csv(data_file(), [COLUMNS, *found])


if __name__ == "__main__":
    main()
