"""Render the machine card: the deployment factors of this machine as measured by its probes, and its roofline."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from markupsafe import Markup

from aigc_bench.analyze.reason_codes import verdict
from aigc_bench.core.messages import message, plural, translated
from aigc_bench.core.records import Estimate, Verdict
from aigc_bench.core.units import quantity, scale
from aigc_bench.predict.machine_card import GemmPoint, MachineCard, has_probes, machine_card
from aigc_bench.report.base import NUM_COLORS, ReportContext, RunView, Section
from aigc_bench.report.charts import OWN_HOVER, Chart, rounded
from aigc_bench.report.markup import template

DISK_WORDS = {
    "sequential-read": message("Sequential read"),
    "random-read": message("Random read, 4 KiB"),
    "dataset-ingest": message("Random read of samples, four readers"),
    "checkpoint-write": message("Checkpoint write with fsync"),
}
CACHE_WORDS = {
    "direct": message("cold: bypassing the page cache"),
    "dropped": message("cold: through the page cache"),
    "cached": message("hot: from the page cache"),
}
WRITE_WORDS = {"direct": message("bypassing the page cache"), "cached": message("through the page cache")}
NO_SENSOR = message("no sensor for it was read")
NO_NUMBER = message("its numbers are invalid")


class CardRow(NamedTuple):
    """One figure of the card: factor, quantity, and the number or why there is none."""

    factor: str
    what: str
    value: Estimate | None
    absent: str = NO_SENSOR

    @property
    def verdict(self) -> Verdict | None:
        """Return the number's verdict by its reasons."""
        return None if self.value is None else verdict(self.value.reasons)


class MachineCardSection(Section):
    """Show one table per run with probes, and its matrix products on a roofline."""

    title: ClassVar[str] = message("Machine card")
    order: ClassVar[int] = 25

    def render(self, context: ReportContext) -> str | None:
        """Return the section; ``None`` if no run has a probe."""
        cards = [(view.tag, card_of(view)) for view in context.runs if has_probes(view.run)]
        if not cards:
            return None
        values = [(tag, card, list(lines(card)), roofline(card, number=at)) for at, (tag, card) in enumerate(cards)]
        return template("machine_card.html.j2", {"cards": values})


def card_of(view: RunView) -> MachineCard:
    """Return the card of a run from the rows that the report already has."""
    return machine_card(view.run, rows=[row for case in view.cases for row in case.rows.values()])


def lines(card: MachineCard) -> Iterator[CardRow]:
    """Yield the card's figures by factor: compute, memory, network, storage, power, cooling."""
    yield from _compute(card)
    yield CardRow(
        message("Memory"),
        message("Bandwidth, best of copy and triad"),
        card.memory_bandwidth,
        card.absent.get("probe_memory", NO_NUMBER),
    )
    if card.cache_bandwidth is not None:
        yield CardRow(message("Memory"), message("Bandwidth within a cache, copy"), card.cache_bandwidth)
    yield from _network(card)
    yield from _storage(card)
    yield CardRow(message("Power"), message("Idle power, context loaded"), card.idle_power_w)
    yield CardRow(message("Power"), message("Highest mean power under matrix products"), card.busy_power_w)
    yield CardRow(message("Power"), message("Utilisation while idle, by other processes"), card.idle_utilization)
    yield CardRow(message("Cooling"), message("Highest temperature under matrix products"), card.temperature_c)


def _compute(card: MachineCard) -> Iterator[CardRow]:
    for precision, peak in card.peak_flops.items():
        yield CardRow(message("Compute"), message("Matrix products in {precision}, best shape", precision=precision), peak)
    if not card.peak_flops:
        yield CardRow(message("Compute"), message("Matrix products"), None, card.absent.get("probe_gemm", NO_NUMBER))
    # Precisions that failed get a line of their own only next to ones that did not.
    for probe, why in card.absent.items():
        if probe.startswith("probe_gemm/") and card.peak_flops:
            yield CardRow(
                message("Compute"), message("Matrix products in {probe}", probe=probe.removeprefix("probe_gemm/")), None, why
            )
    for key, cost in card.launch_s.items():
        engine, _, kind = key.partition("/")
        yield CardRow(message("Compute"), message("Launch of one operator ({kind}), {engine}", kind=kind, engine=engine), cost)
    if not card.launch_s:
        yield CardRow(message("Compute"), message("Launch of one operator"), None, card.absent.get("probe_launch", NO_NUMBER))


def _network(card: MachineCard) -> Iterator[CardRow]:
    for preset, rate in card.transfer.items():
        yield CardRow(message("Network"), message("Host memory, {preset}", preset=preset.replace("-", " ")), rate)
    if not card.transfer:
        yield CardRow(
            message("Network"), message("Host memory to device and back"), None, card.absent.get("probe_transfer", NO_NUMBER)
        )
    if card.collective is None:
        yield CardRow(
            message("Network"),
            message("All-reduce between devices"),
            None,
            card.absent.get("probe_collective", message("fewer than two sizes")),
        )
        return
    devices = message("all-reduce over {devices} devices", devices=card.collective.devices)
    yield CardRow(message("Network"), message("Latency of an {devices}", devices=devices), card.collective.alpha_s)
    yield CardRow(
        message("Network"), message("Bandwidth of a device in an {devices}", devices=devices), card.collective.bus_bytes_per_s
    )


def _storage(card: MachineCard) -> Iterator[CardRow]:
    for key, rate in card.disk.items():
        preset, _, cache = key.partition("/")
        how = WRITE_WORDS.get(cache, cache) if preset == "checkpoint-write" else CACHE_WORDS[cache]
        yield CardRow(message("Storage"), f"{DISK_WORDS.get(preset, preset)}, {how}", rate)
    if not card.disk:
        yield CardRow(message("Storage"), message("Disk"), None, card.absent.get("probe_disk", NO_NUMBER))


def roofline(card: MachineCard, *, number: int) -> Chart | None:
    """Return achieved FLOP/s of every matrix product over its arithmetic intensity, with the roofline (Williams et al. 2009)."""
    if not card.gemm or card.memory_bandwidth is None:
        return None
    precisions = list(card.peak_flops)
    top, printed = scale(max(peak.value for peak in card.peak_flops.values()), "FLOP/s")
    traces: list[dict[str, Any]] = []
    for at, precision in enumerate(precisions):
        color = f"@c{at % NUM_COLORS + 1}"
        points = [point for point in card.gemm if point.precision == precision]
        traces += [_roof(card, precision, divide_by=top, color=color), _dots(points, divide_by=top, color=color)]
    axes = {
        "xaxis": {"title": {"text": message("FLOP per byte of operands and result")}, **_decades(traces, "x")},
        "yaxis": {"title": {"text": printed}, **_decades(traces, "y")},
    }
    words = "; ".join(f"{_label(point)}: {quantity(point.flops_per_s.value, 'FLOP/s')}" for point in card.gemm)
    note = message("Lines are the best bandwidth and the best rate of the probes; a dot above them ran from cache.")
    layout = {**axes, "showlegend": True}
    return Chart(
        id=f"roofline-{number}", title=message("Roofline"), traces=traces, layout=layout, words=words, note=note, height_px=380
    )


def _decades(traces: Sequence[Mapping[str, Any]], axis: str) -> dict[str, object]:
    """Return a logarithmic axis that spans all values, its range in decades."""
    # FLOP/s and intensities of probes are above zero, so every logarithm exists.
    values = [math.log10(value) for trace in traces for value in trace[axis]]
    return {"type": "log", "range": [round(min(values) - 0.15, 3), round(max(values) + 0.15, 3)]}


def _roof(card: MachineCard, precision: str, *, divide_by: float, color: str) -> dict[str, Any]:
    assert card.memory_bandwidth is not None, "a roof has a bandwidth"
    peak, bandwidth = card.peak_flops[precision].value, card.memory_bandwidth.value
    reach = [point.intensity for point in card.gemm if point.precision == precision]
    # Three points make the roof: a slope, the ridge at peak / bandwidth, a level line; a factor of two beyond the dots.
    xs = sorted({min(reach) / 2, peak / bandwidth, max([*reach, peak / bandwidth]) * 2})
    return {
        "type": "scatter",
        "mode": "lines",
        "name": message("{precision}, roof", precision=precision),
        "x": [rounded(x) for x in xs],
        # The lower of both limits.
        "y": [rounded(min(peak, bandwidth * x) / divide_by) for x in xs],
        "line": {"color": color, "width": 1.5, "dash": "dot"},
        "hoverinfo": "skip",
    }


def _dots(points: list[GemmPoint], *, divide_by: float, color: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": points[0].precision,
        "x": [rounded(point.intensity) for point in points],
        "y": [rounded(point.flops_per_s.value / divide_by) for point in points],
        "marker": {"size": 10, "color": color},
        "customdata": [Markup("<b>{}</b><br>{}").format(translated(_label(point)), translated(_rate(point))) for point in points],
        "hovertemplate": OWN_HOVER,
    }


def _rate(point: GemmPoint) -> str:
    """Return the rate of a probe with its interval."""
    rate = point.flops_per_s
    value, low, high = (quantity(one, "FLOP/s") for one in (rate.value, rate.low, rate.high))
    return message("{value} ({low} to {high})", value=value, low=low, high=high)


def _label(point: GemmPoint) -> str:
    threads = "" if point.threads is None else plural(", {count} thread", ", {count} threads", count=point.threads)
    shape = f"{point.m} x {point.k} x {point.n}"
    return message("{shape} in {precision}{threads}", shape=shape, precision=point.precision, threads=threads)


section = MachineCardSection()
