"""Draw telemetry as strips over time: which sensors, in which unit, and the measured windows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aigc_bench.analyze.readings import HOST_DEVICES, Readings, Series
from aigc_bench.core.messages import message
from aigc_bench.core.records import TrialResult
from aigc_bench.measure.store import Run
from aigc_bench.report.timeline import NUM_LINE_COLORS, Band, Curve, TimeStrip


@dataclass(frozen=True, kw_only=True)
class SensorStrip:
    """A kind of sensor with its own strip: ``metric`` from ``source``, of the devices that ``device`` accepts."""

    title: str
    unit: str
    source: str
    metric: str
    device: Callable[[str], bool]
    ceiling: float | None = None


def _is(name: str) -> Callable[[str], bool]:
    return lambda device: device == name


def _any(device: str) -> bool:
    return bool(device)


STRIPS = (
    SensorStrip(
        title=message("CPU utilisation of the machine"),
        unit="fraction",
        source="host",
        metric="cpu_utilization",
        device=_is("host"),
        # A little above 100 %, so that a full core is seen as a line and not as the frame.
        ceiling=1.05,
    ),
    SensorStrip(
        title=message("CPU cores used by the worker"), unit="cores", source="host", metric="cpu_utilization", device=_is("worker")
    ),
    SensorStrip(title=message("Memory of the worker (RSS)"), unit="B", source="host", metric="rss_bytes", device=_is("worker")),
    SensorStrip(
        title=message("GPU utilisation"), unit="fraction", source="nvml", metric="gpu_utilization", device=_any, ceiling=1.05
    ),
    SensorStrip(title=message("GPU memory used"), unit="B", source="nvml", metric="memory_used_bytes", device=_any),
    SensorStrip(title=message("GPU power"), unit="W", source="nvml", metric="power_w", device=_any),
    SensorStrip(title=message("GPU temperature"), unit="C", source="nvml", metric="temperature_c", device=_any),
    SensorStrip(title=message("GPU SM clock"), unit="Hz", source="nvml", metric="sm_clock_hz", device=_any),
)
MARGIN_S = 2.0
"""Telemetry shown before the start and after the end of a trial."""


def trial_strips(readings: Readings, trials: Sequence[TrialResult], *, names: Mapping[str, str]) -> list[TimeStrip]:
    """Return step times, then sensor strips, of several overlaid trials, with time relative to each trial's window.

    ``names`` gives the devices' short names by UUID. There is a line for each trial and device.
    """
    windowed = [trial for trial in trials if trial.window is not None]
    colors = [f"c{at % NUM_LINE_COLORS + 1}" for at in range(len(windowed))]
    steps = [line for trial, color in zip(windowed, colors, strict=True) for line in step_lines(trial, color=color)]
    lanes = [TimeStrip(title=message("Step time (rings: warm-up)"), unit="s", lines=steps, is_close_up=True)] if steps else []
    for strip in STRIPS:
        pairs = zip(windowed, colors, strict=True)
        lines = [line for trial, color in pairs for line in _trial_lines(readings, strip, trial, color=color, names=names)]
        if lines:
            lanes.append(TimeStrip(title=strip.title, unit=strip.unit, lines=lines, ceiling=strip.ceiling))
    return lanes


def step_lines(trial: TrialResult, *, color: str) -> list[Curve]:
    """Return the steps of one trial as marks at their start: those of the window, and before zero those of the warm-up."""
    name = message("trial {trial}", trial=trial.trial + 1)
    lines = []
    if trial.warmup is not None and trial.warmup.step_duration_s:
        durations = trial.warmup.step_duration_s
        # Warm-up steps have durations only: summed backwards from the window's start, which is zero.
        ends = np.cumsum(durations[::-1])[::-1]
        lines.append(
            Curve(
                name=message("{name}, warm-up", name=name), times_s=(-ends).tolist(), values=durations, color=color, style="rings"
            )
        )
    if trial.steps is not None and trial.steps.start_s:
        lines.append(Curve(name=name, times_s=trial.steps.start_s, values=trial.steps.duration_s, color=color, style="marks"))
    return lines


def longest_window(trials: Sequence[TrialResult]) -> Band:
    """Return the longest measured window among the trials, starting at zero."""
    return Band(start_s=0.0, end_s=max(trial.window.end_s - trial.window.start_s for trial in trials if trial.window is not None))


def run_strips(readings: Readings, *, since_s: float, names: Mapping[str, str]) -> list[TimeStrip]:
    """Return strips over the whole run, with time relative to ``since_s`` and a line per device."""
    lanes = []
    for strip in STRIPS:
        lines = [
            _line(series, name=short_name(device, names), zero_s=since_s, color=f"c{at % NUM_LINE_COLORS + 1}")
            for at, (device, series) in enumerate(_devices(readings, strip))
        ]
        if lines:
            lanes.append(TimeStrip(title=strip.title, unit=strip.unit, lines=lines, ceiling=strip.ceiling))
    return lanes


def device_names(run: Run) -> dict[str, str]:
    """Return the short names of the run's accelerators by UUID."""
    return {device.uuid: f"GPU {device.index}" for device in run.info.system.accelerators}


def short_name(device: str, names: Mapping[str, str]) -> str:
    """Return the name of a device in a chart."""
    return names.get(device, device if len(device) <= 16 else f"{device[:12]}…")


def _devices(readings: Readings, strip: SensorStrip) -> list[tuple[str, Series]]:
    mine = ((key[1], series) for key, series in readings.series.items() if (key[0], key[2]) == (strip.source, strip.metric))
    return sorted(((device, series) for device, series in mine if strip.device(device)), key=lambda pair: pair[0])


def _trial_lines(
    readings: Readings, strip: SensorStrip, trial: TrialResult, *, color: str, names: Mapping[str, str]
) -> list[Curve]:
    assert trial.window is not None, "only trials with a window are drawn"
    lines = []
    for device, series in _devices(readings, strip):
        is_host = device in HOST_DEVICES
        # Sensors read every device of the machine; a trial used some of them.
        if not is_host and trial.devices and device not in trial.devices:
            continue
        near = series.between(trial.started_s - MARGIN_S, trial.finished_s + MARGIN_S)
        if len(near):
            name = message("trial {trial}", trial=trial.trial + 1)
            if not is_host:
                name = message("trial {trial}, {device}", trial=trial.trial + 1, device=short_name(device, names))
            lines.append(_line(near, name=name, zero_s=trial.window.start_s, color=color))
    return lines


def _line(series: Series, *, name: str, zero_s: float, color: str) -> Curve:
    times, values = with_gaps(series)
    return Curve(name=name, times_s=[time - zero_s for time in times], values=values, color=color)


def with_gaps(series: Series, *, periods: float = 8.0) -> tuple[list[float], list[float | None]]:
    """Return times and values with a break where a sensor was silent for long, so that no line bridges missing readings."""
    times, values = series.time_s.tolist(), series.value.tolist()
    if len(times) < 3:
        return times, values
    steps = np.diff(series.time_s)
    # Against the median step: sensors have different periods; 1e-6 for series whose times are all the same.
    silent = set(np.flatnonzero(steps > periods * max(float(np.median(steps)), 1e-6)).tolist())
    out_times: list[float] = []
    out_values: list[float | None] = []
    for at, (time, value) in enumerate(zip(times, values, strict=True)):
        out_times.append(time)
        out_values.append(value)
        if at in silent:
            # A None right after the last reading ends the line there.
            out_times.append(time + 1e-3)
            out_values.append(None)
    return out_times, out_values
