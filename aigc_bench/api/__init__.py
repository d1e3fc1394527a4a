"""The Python API. ``import aigc_bench as ab``; every command of the command line is one of these functions.

    run = ab.run("cpu")                                        # measure; also writes report.html into run.path
    run = ab.load("runs/20260105-101500-cpu")
    ab.predict("gpt/llama-3.1-8b", accelerators="h100", engine="vllm")
    ab.plan("demand.toml", runs=[run])
    ab.doctor()                                                # what this machine can measure, and what would spoil it

What they return prints as a short table in a REPL and a notebook, and gives all of it as a frame: ``result.to_pandas()``.
Heavy libraries are imported by the function that needs them. None of them imports torch: that is the worker's business.
"""

# These modules import no heavy library either: what a function needs it imports itself.
from aigc_bench.api.measuring import DryRun, doctor, dry_run, own_profile, pipelines, resume, run, this_machine
from aigc_bench.api.planning import plan
from aigc_bench.api.predicting import predict, predict_profile, validate
from aigc_bench.api.reporting import prediction_report, report, write_deployment, write_plan
from aigc_bench.api.stored import RUNS_FOLDER, RunOrPath, cases, compare, load, metrics, newest_run, published, rows, skipped
from aigc_bench.predict.query import Query

__all__ = [
    "RUNS_FOLDER", "DryRun", "Query", "RunOrPath", "cases", "compare", "doctor", "dry_run", "load", "metrics", "newest_run",
    "own_profile", "pipelines", "plan", "predict", "predict_profile", "prediction_report", "published", "report", "resume", "rows",
    "run", "skipped", "this_machine", "validate", "write_deployment", "write_plan",
]  # fmt: skip
