"""The closed table of units that a published value may have, by metric, and what each one is in the unit that the model answers in.

    times          s, ms, us, ns, minutes, hours, days; ms/token of a TPOT, s/step of a step; it/s is the inverse of a step's time
    rates          k, M before the item; per s, min, h; of all devices, or /GPU; s/image and ms/token are inverses
    energy         J, kJ, Wh ... per item, images/J as the inverse
    and            W, kW; B, MB, MiB, GB, GiB; GB/s; TFLOP/s/GPU; %; x realtime

Which item a rate counts follows from the family: a language model's throughput is of tokens, never of images. A unit that is not in
the table is refused: a unit that is not understood would be read as another one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from aigc_bench.core.messages import message
from aigc_bench.core.numbers import as_ascii
from aigc_bench.core.units import GIB, KIB, MIB

Kind = Literal["time", "item", "energy", "power", "bytes", "flop", "device", "user", "share", "realtime"]


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A unit as it was read: its canonical spelling, and the factor into that of the model."""

    name: str
    factor: float
    is_inverse: bool = False

    def in_si(self, value: float) -> float:
        """Return a positive value in the unit of the model: SI, but TFLOP/s where the metric is named so."""
        return self.factor / value if self.is_inverse else self.factor * value


@dataclass(frozen=True, kw_only=True)
class _Word:
    """One part of a unit, between slashes."""

    kind: Kind
    factor: float
    name: str


def _words(kind: Kind, table: Mapping[str, tuple[float, str]]) -> dict[str, _Word]:
    return {
        spelling: _Word(kind=kind, factor=factor, name=name)
        for name, (factor, spellings) in table.items()
        # An empty list of spellings splits into one empty string, which is no unit.
        for spelling in (name, *spellings.split(","))
        if spelling
    }


_TIMES = _words(
    "time",
    {
        "s": (1.0, "sec,secs,second,seconds"),
        "ms": (1e-3, "msec,msecs,millisec,millisecs,millisecond,milliseconds"),
        "us": (1e-6, "usec,usecs,microsec,microsecs,microsecond,microseconds"),
        "ns": (1e-9, "nsec,nsecs,nanosecond,nanoseconds"),
        "minutes": (60.0, "min,mins,minute"),
        "hours": (3600.0, "h,hr,hrs,hour"),
        "days": (86400.0, "d,day"),
    },
)
_ITEMS = _words(
    "item",
    {
        "tokens": (1.0, "token,tok,toks"),
        "output tokens": (1.0, "output token,output tok,output toks,out tok,out toks,out tokens,generated tokens,generated token"),
        "images": (1.0, "image,img,imgs"),
        "samples": (1.0, "sample"),
        "sequences": (1.0, "sequence,seq,seqs"),
        "requests": (1.0, "request,req,reqs"),
        "it": (1.0, "its,iter,iters,iteration,iterations,step,steps"),
        "videos": (1.0, "video"),
        "utterances": (1.0, "utterance"),
        "items": (1.0, "item"),
        "users": (1.0, "user"),
        "molecules": (1.0, "molecule"),
        "mel-frames": (1.0, "mel-frame"),
        "frames": (1.0, "frame"),
        "audio-samples": (1.0, "audio-sample"),
        "audio-seconds": (1.0, "audio-second"),
        "epochs": (1.0, "epoch"),
        "batches": (1.0, "batch"),
    },
)
_OTHERS = {
    **_words("energy", {"J": (1.0, "joule,joules"), "mJ": (1e-3, ""), "kJ": (1e3, ""), "MJ": (1e6, "")}),
    **_words("energy", {"Wh": (3600.0, ""), "kWh": (3.6e6, "")}),
    **_words("power", {"W": (1.0, "watt,watts"), "mW": (1e-3, ""), "kW": (1e3, ""), "MW": (1e6, "")}),
    **_words("bytes", {"B": (1.0, "byte,bytes"), "kB": (1e3, ""), "MB": (1e6, ""), "GB": (1e9, ""), "TB": (1e12, "")}),
    **_words("bytes", {"KiB": (KIB, ""), "MiB": (MIB, ""), "GiB": (GIB, ""), "TiB": (1024.0 * GIB, "")}),
    # In TFLOP: ``Unit.in_si`` keeps TFLOP/s where a metric is named so.
    **_words("flop", {"GFLOP": (1e-3, "GFLOPs"), "TFLOP": (1.0, "TFLOPs"), "PFLOP": (1e3, "PFLOPs")}),
    **_words("share", {"%": (0.01, "percent"), "fraction": (1.0, "")}),
    **_words("realtime", {"x realtime": (1.0, "x real time,x real-time,x")}),
    **_words("device", {"GPU": (1.0, "gpu,gpus,GPUs,chip,device,accelerator")}),
}
_PREFIXES = {"k": 1e3, "K": 1e3, "thousand": 1e3, "M": 1e6, "million": 1e6}
_PREFIXED = re.compile(r"(k|K|M|thousand(?= )|million(?= )) ?([a-z].*)")
_WHOLE = {
    "tps": "tokens/s",
    "t/s": "tokens/s",
    "tflops": "TFLOP/s",
    "gflops": "GFLOP/s",
    "pflops": "PFLOP/s",
    "tflops/gpu": "TFLOP/s/GPU",
}
"""Spellings of whole units, lower case."""
_REMARKS = (
    "logged max_memory_usage", "header says out tok/s; ambiguous when TP>1", "header unlabelled; README text says tokens/s",
    "13 min audio", "150 min audio", "audio s / wall s",
)  # fmt: skip
"""What published tables add in brackets and does not change the unit; any other remark is refused, since it may."""


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """What a metric measures. ``items`` are those of a rate or an energy, or what a time may be stated per."""

    kind: Literal["time", "rate", "energy", "power", "memory", "bandwidth", "flops", "share", "realtime"]
    items: tuple[str, ...] = ()
    is_per_user: bool = False
    """Whether a rate is the inverse of this time for one user only: TPOT, which a throughput of many users does not give."""
    is_per_device: bool = False
    thousands: bool = False

    @property
    def examples(self) -> tuple[str, ...]:
        """Return some units of each sort, the likeliest first."""
        one = [item.removesuffix("s") if item != "batches" else "batch" for item in self.items]
        per = "/GPU" if self.is_per_device else ""
        if self.kind == "rate":
            first, more = self.items[0], [f"{item}/s{per}" for item in self.items[:6]]
            return (*more, f"{first}/min{per}", f"k {first}/s{per}", f"s/{one[0]}", f"ms/{one[0]}")
        if self.kind == "energy":
            return (*(f"{unit}/{item}" for item in one[:4] for unit in ("J", "kJ", "Wh", "kWh")), f"{self.items[0]}/J")
        if self.kind == "time" and self.thousands:
            return tuple(f"{unit}/kimg" for unit in ("s", "minutes", "hours"))
        times = ("s", "ms", "us", "ns", "minutes", "hours", "days", *(f"{unit}/{item}" for item in one for unit in ("s", "ms")))
        return {
            "time": times + (("it/s",) if self.items == ("it",) else ("tokens/s/user",) if self.is_per_user else ()),
            "power": ("W", "kW", "mW", "MW"),
            "memory": ("GiB", "GB", "MiB", "MB", "TiB", "TB", "KiB", "kB", "B", "GiB/GPU"),
            "bandwidth": ("GB/s", "TB/s", "MB/s", "GiB/s", "MiB/s", "B/s"),
            "flops": ("TFLOP/s/GPU", "PFLOP/s/GPU", "GFLOP/s/GPU"),
            "share": ("%", "fraction"),
            "realtime": ("x realtime",),
        }[self.kind]


_TOKENS = ("tokens", "output tokens")
_ANY = tuple(dict.fromkeys(word.name for word in _ITEMS.values() if word.name not in ("it", "epochs", "batches")))
_ITEMS_OF_FAMILY: Mapping[str, tuple[str, ...]] = {
    "llm": _TOKENS,
    "llm-small": ("tokens", "sequences"),
    "llm-train": ("tokens", "sequences", "samples"),
    "llm-finetune": ("tokens", "sequences", "samples"),
    "multimodal-llm": ("output tokens", "tokens"),
    "seq2seq-rnn": ("tokens", "sequences"),
    "bert": ("sequences", "samples"),
    "diffusion-image": ("images", "samples"),
    "vision-cnn": ("images", "samples"),
    "vision-unet": ("images", "samples"),
    "video": ("videos", "samples", "frames"),
    "audio-asr": ("samples", "sequences", "utterances", "tokens", "audio-seconds"),
}
_SAMPLE: Mapping[str, str] = {
    "bert": "sequences",
    "llm-train": "sequences",
    "llm-finetune": "sequences",
    "diffusion-image": "images",
    "vision-cnn": "images",
    "vision-unet": "images",
}
"""Family -> what a sample is, under which name most results are published."""
_ENERGY_ITEMS: Mapping[str, tuple[str, ...]] = {
    "llm": ("output tokens", "requests", "tokens"),
    "multimodal-llm": ("output tokens", "requests", "tokens"),
    "diffusion-image": ("images", "samples"),
    "video": ("videos", "samples"),
}
_REQUESTS = ("samples", "requests", "sequences")
_METRICS: tuple[tuple[str, Quantity], ...] = (
    (r"(tpot|itl)(_\w+)?", Quantity(kind="time", items=_TOKENS, is_per_user=True)),
    (r"latency_request", Quantity(kind="time", items=("requests",))),
    (r"latency_batch", Quantity(kind="time", items=("batches",))),
    (r"(latency|ttft)(_\w+)?|prefill_latency|time_to_train|time_for_clip", Quantity(kind="time")),
    (r"(denoising_)?step_time(_\w+)?", Quantity(kind="time", items=("it",))),
    (r"time_per_epoch", Quantity(kind="time", items=("epochs",))),
    (r"train_time_per_1000_images", Quantity(kind="time", thousands=True)),
    (r"denoise_iterations", Quantity(kind="rate", items=("it",))),
    (r"(decode|prefill)_throughput|throughput_tokens", Quantity(kind="rate", items=_TOKENS)),
    (r"throughput_\w+_samples", Quantity(kind="rate", items=_REQUESTS)),
    (r"request_throughput", Quantity(kind="rate", items=("requests", "samples", "sequences"))),
    (r"throughput_per_gpu", Quantity(kind="rate", is_per_device=True)),
    (r"throughput(_\w+)?", Quantity(kind="rate")),
    (r"energy(_\w+)?", Quantity(kind="energy")),
    (r"(\w+_)?power(_\w+)?", Quantity(kind="power")),
    (r"peak_memory|memory_\w+", Quantity(kind="memory")),
    (r"achieved_mem_bw|storage_throughput", Quantity(kind="bandwidth")),
    (r"model_tflops_per_gpu", Quantity(kind="flops", is_per_device=True)),
    (r"mfu", Quantity(kind="share")),
    (r"rtf_x_realtime", Quantity(kind="realtime")),
)
"""Names of metrics -> what they measure. A metric that is none of these is not predicted, and its unit is not looked at."""


def quantity_of(metric: str, *, family: str) -> Quantity | None:
    """Return what a metric of a family measures, ``None`` where it is not known."""
    found = next((quantity for pattern, quantity in _METRICS if re.fullmatch(pattern, metric)), None)
    # Where a metric names its items they hold for every family.
    if found is None or found.items or found.kind not in ("rate", "energy"):
        return found
    items = (_ITEMS_OF_FAMILY if found.kind == "rate" else _ENERGY_ITEMS).get(family, _ANY)
    return Quantity(kind=found.kind, items=items, is_per_device=found.is_per_device)


def read_unit(text: str, *, metric: str, family: str) -> Unit:
    """Return the unit of a metric; raises ``ValueError`` with what is allowed. The unit of an unknown metric stays as it is."""
    quantity = quantity_of(metric, family=family)
    if quantity is None:
        return Unit(name=text, factor=1.0)
    parts = _parts(text)
    found = None if parts is None else _matched(parts, quantity)
    if found is None:
        raise ValueError(_refusal(text, metric=metric, quantity=quantity))
    name = found.name
    # After the match: "samples" is a unit of its own that only here means what the family calls it.
    if metric == "throughput" and name.startswith("samples/"):
        name = name.replace("samples", _SAMPLE.get(family, "samples"))
    return Unit(name=name, factor=found.factor, is_inverse=found.is_inverse)


def _refusal(text: str, *, metric: str, quantity: Quantity) -> str:
    allowed = quantity.examples
    if not text:
        return message("unit is empty; those of {metric} are {allowed}", metric=metric, allowed=", ".join(allowed))
    near = difflib.get_close_matches(text.lower(), allowed, n=2, cutoff=0.6)
    said = message("; did you mean {near}?", near=" or ".join(near)) if near else ""
    shown = text if len(text) <= 40 else f"{text[:37]}..."
    listed = ", ".join(allowed)
    return message("unit {unit!r} is not a unit of {metric}: {allowed}{said}", unit=shown, metric=metric, allowed=listed, said=said)


_PLAIN = {0xB5: "u", 0x3BC: "u", 0xD7: "x"}
"""Both signs for micro, and the multiplication sign."""


def _parts(text: str) -> list[_Word] | None:
    """The words of a unit, ``None`` where one of them is not known."""
    plain = " ".join(as_ascii(text).translate(_PLAIN).split())
    if found := re.fullmatch(r"([^(]*?) ?\(([^()]*)\)", plain):
        remark = found[2].strip()
        if remark not in _REMARKS and not remark.startswith(("per ", "/")):
            return None
        # "tokens/s (per GPU)" says a part of the unit in brackets.
        plain = found[1] if remark in _REMARKS else f"{found[1]} {remark}"
    # "out tok/s" has a space within a part: only those around a slash go.
    plain = re.sub(r" ?/ ?| per ", "/", plain)
    words = [_word(part) for part in _WHOLE.get(plain.lower(), plain).split("/")]
    known = [word for word in words if word is not None]
    return known if len(known) == len(words) else None


def _word(text: str) -> _Word | None:
    """One part. Upper and lower case differ where they mean different things (mW and MW, Mb and MB), not in names of times."""
    if text in _OTHERS:
        return _OTHERS[text]
    lower = text.lower()
    if lower in _TIMES or lower in _ITEMS:
        return _TIMES.get(lower) or _ITEMS[lower]
    if found := _PREFIXED.fullmatch(text):
        item = _ITEMS.get(found[2].lower())
        # The prefix belongs to the item (k tokens); a prefixed second or GPU is none.
        return item and _Word(kind="item", factor=_PREFIXES[found[1]], name=item.name)
    return None


def _matched(parts: Sequence[_Word], quantity: Quantity) -> Unit | None:
    """The unit, ``None`` where its parts make no unit of the quantity."""
    reader = {"time": _time, "rate": _rate, "energy": _energy}.get(quantity.kind)
    return reader(parts, quantity) if reader is not None else _plain(parts, quantity)


def _kinds(parts: Sequence[_Word]) -> tuple[Kind, ...]:
    """Kinds of the parts; ``user`` as the third of a rate is the one user."""
    return tuple("user" if place == 2 and word.name == "users" else word.kind for place, word in enumerate(parts))


def _time(parts: Sequence[_Word], quantity: Quantity) -> Unit | None:
    kinds, first = _kinds(parts), parts[0]
    if quantity.thousands:
        is_thousand = kinds == ("time", "item") and parts[1].name == "images" and parts[1].factor == 1e3
        return Unit(name=f"{first.name}/kimg", factor=first.factor) if is_thousand else None
    if kinds == ("time",):
        return Unit(name=first.name, factor=first.factor)
    if kinds == ("time", "item") and parts[1].name in quantity.items:
        # ms per k tokens: per thousand of them.
        return Unit(name=first.name, factor=first.factor / parts[1].factor)
    rated: tuple[Kind, ...] = ("item", "time", "user") if quantity.is_per_user else ("item", "time")
    if kinds == rated and first.name in quantity.items and first.name in (*_TOKENS, "it"):
        # it/s of a step time: seconds = factor / value.
        return Unit(name="s", factor=parts[1].factor / first.factor, is_inverse=True)
    return None


def _rate(parts: Sequence[_Word], quantity: Quantity) -> Unit | None:
    kinds = _kinds(parts)
    per = "/GPU" if quantity.is_per_device or kinds == ("item", "time", "device") else ""
    if kinds in (("item", "time"), ("item", "time", "device")) and parts[0].name in quantity.items:
        return Unit(name=f"{parts[0].name}/s{per}", factor=parts[0].factor / parts[1].factor)
    if kinds == ("time", "item") and parts[1].name in quantity.items:
        return Unit(name=f"{parts[1].name}/s{per}", factor=parts[1].factor / parts[0].factor, is_inverse=True)
    return None


def _energy(parts: Sequence[_Word], quantity: Quantity) -> Unit | None:
    kinds = _kinds(parts)
    item = next((word for word in parts if word.kind == "item"), None)
    if item is None or item.name not in quantity.items:
        return None
    name = f"J/{item.name.removesuffix('s')}"
    if kinds == ("energy", "item"):
        return Unit(name=name, factor=parts[0].factor / item.factor)
    return Unit(name=name, factor=parts[1].factor / item.factor, is_inverse=True) if kinds == ("item", "energy") else None


_SHAPES: Mapping[str, tuple[tuple[Kind, ...], ...]] = {
    "power": (("power",),),
    "memory": (("bytes",), ("bytes", "device")),
    "bandwidth": (("bytes", "time"), ("bytes", "time", "device")),
    "flops": (("flop", "time"), ("flop", "time", "device")),
    "share": (("share",),),
    "realtime": (("realtime",),),
}


def _plain(parts: Sequence[_Word], quantity: Quantity) -> Unit | None:
    kinds = _kinds(parts)
    if kinds not in _SHAPES[quantity.kind] or (len(kinds) > 1 and kinds[1] == "time" and parts[1].name != "s"):
        return None
    return Unit(name="/".join(word.name for word in parts), factor=parts[0].factor)
