"""From a workload to its time, memory and power on hardware that is not here, and the error of such predictions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from aigc_bench.api.arguments import checked
from aigc_bench.api.stored import RunOrPath, all_loaded
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.measure.profiles import Profile, find_profile
from aigc_bench.predict.query import Query, QueryFields

if TYPE_CHECKING:
    from aigc_bench.predict.predicted import Predictions
    from aigc_bench.predict.validation.score import Validation


@checked
def predict(
    query: Query | str = "",
    *,
    accelerators: str | Sequence[str],
    runs: RunOrPath | Sequence[RunOrPath] = (),
    **fields: Unpack[QueryFields],
) -> Predictions:
    """Predict a workload on each accelerator; every number has basis ``modelled`` and an 80 % interval.

    ``query`` is ``WORKLOAD[/PRESET]`` or a model by its common name, with the fields of ``Query`` as keywords, or a ``Query``.
    ``accelerators`` are ids of the catalogue or ``@RUN``. ``runs`` are own runs that calibrate the prediction, on the machine that
    they were made on and, less, on others. Raises ``UsageError`` where a name is unknown or the model cannot answer.

    >>> served = ab.predict("gpt/llama-3.1-8b", accelerators="h100", engine="vllm", batch_size=32)
    >>> served.to_pandas()[["metric", "unit", "basis"]].head(4)
                      metric      unit     basis
    0             throughput  tokens/s  modelled
    1                   ttft         s  modelled
    2                   tpot         s  modelled
    3  memory_allocated_peak         B  modelled
    >>> load = {"rate_per_s": 5.0, "slo_ttft_s": 0.5, "lengths": "700/150", "num_requests": 200}
    >>> chat = ab.predict("gpt/llama-3.1-8b", accelerators=["h100", "l40s"], engine="vllm", load=load)
    >>> [accelerator for accelerator, row in chat.named("highest_rate")]
    ['h100_sxm_80gb', 'l40s']
    """
    from aigc_bench.predict import queries

    # A field could only silently override the Query's own, or be ignored.
    if isinstance(query, Query) and fields:
        raise UsageError(
            message("predict: {field} is a field of the Query that is given.", field=next(iter(fields))), message("State it there.")
        )
    asked = Query(query, **fields) if isinstance(query, str) else query
    names = [accelerators] if isinstance(accelerators, str) else accelerators
    return queries.predict_one(asked, accelerators=names, runs=all_loaded(runs))


@checked
def predict_profile(
    profile: str | Path | Profile, *, accelerators: str | Sequence[str] = (), runs: RunOrPath | Sequence[RunOrPath] = ()
) -> Predictions:
    """Predict every case of a profile on each accelerator, by default those that the profile expects, calibrated by own ``runs``.

    A case that cannot be answered is one row without a value, the reason in its ``reasons``.
    """
    from aigc_bench.predict import queries

    chosen = profile if isinstance(profile, Profile) else find_profile(profile)
    names = [accelerators] if isinstance(accelerators, str) else accelerators
    # A word ("cpu", "any") names no accelerator, a tuple holds catalogue ids.
    expected = () if isinstance(chosen.expects, str) else chosen.expects
    return queries.predict_cases(
        chosen.cases, accelerators=names or expected, where=f"profile {chosen.name}", runs=all_loaded(runs)
    )


@checked
def validate(table: Path | str, *, by: str | Sequence[str] = (), rows_out: Path | str | None = None) -> Validation:
    """Score the performance model against a table of published results, grouped ``by`` its columns.

    Errors are absolute fractions of the measured value. docs/method.md has the columns of a table. ``rows_out`` is a CSV file
    that gets every row with its prediction. ``refused`` of the result has every row that cannot be read, with line and reason;
    raises ``AigcBenchError`` where no row can.

    >>> from pathlib import Path
    >>> table = Path("own.csv")
    >>> lines = ["family,task,model,gpu,gpu_count,precision,software,batch,input_len,output_len,metric,value,unit"]
    >>> lines += ["llm,infer-online,llama-3.1-8b,H100 SXM,1,bf16,vllm,32,1024,256,tpot,9.0,ms"]
    >>> table.write_text("\\n".join(lines)) > 0
    True
    >>> scored = ab.validate(table, by=["gpu"])
    >>> scored.to_pandas()[["gpu", "asked", "answered"]]
            gpu  asked  answered
    0  H100 SXM      1         1
    """
    from aigc_bench.predict.validation.scored_table import validate_table

    return validate_table(Path(table), by=by, rows_out=Path(rows_out) if rows_out is not None else None)
