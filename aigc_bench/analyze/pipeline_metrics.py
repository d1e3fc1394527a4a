"""The metrics of the data pipeline, as rows of the registry (``analyze.metrics``)."""

from __future__ import annotations

from typing import Literal, NamedTuple

from aigc_bench.core.messages import message


class Row(NamedTuple):
    """One metric; ``source`` says by whom it is read or defined."""

    id: str
    name: str
    unit: str
    formula: str
    source: str
    kind: Literal["share", "use"] = "use"
    better: Literal["lower"] | None = None
    is_compared: bool = False


_CPU = message("CPU time in preprocess, postprocess and the loader's processes")
_CLOCKS = "clock_getcpuclockid(3)"

PIPELINE_METRICS = (
    Row(
        "pipeline_share",
        message("Pipeline's share of the step"),
        "fraction",
        message("time in preprocess and postprocess / time in all stages, over the window"),
        "aigc_bench/measure/data_pipeline.py",
        kind="share",
        better="lower",
    ),
    Row(
        "data_stall",
        message("Data stall"),
        "fraction",
        message("time that training steps waited in preprocess for their batch / time in all stages, over the window"),
        message("MLPerf Storage: accelerator utilisation is 1 - data stall"),
        kind="share",
        better="lower",
        is_compared=True,
    ),
    Row(
        "loader_workers",
        message("Data loader's processes"),
        "processes",
        message("processes that prepare batches ahead of one device"),
        "DataLoader",
    ),
    Row(
        "host_cpu_per_item",
        message("Host CPU time of the pipeline per {item}"),
        "s/{item}",
        message("{cpu} / items finished on one device", cpu=_CPU),
        _CLOCKS,
        better="lower",
    ),
    Row(
        "cores_per_device",
        message("Host cores per device that the pipeline needs"),
        "cores",
        message("{cpu} / time in the device's own stages", cpu=_CPU),
        _CLOCKS,
        better="lower",
    ),
    Row(
        "data_cached",
        message("Data in the page cache"),
        "fraction",
        message("share of 64 seeded places of the files that preadv2 reads without waiting, right before the window"),
        "preadv2(2), RWF_NOWAIT",
    ),
)
