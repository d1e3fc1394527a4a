"""From names that users type and drivers report to rows of the catalogue."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping

from aigc_bench.catalog.records import AcceleratorSpec, Alias, CpuSpec
from aigc_bench.core.messages import message
from aigc_bench.core.units import GIB

_VENDOR_WORDS = {
    "nvidia",
    "amd",
    "intel",
    "tesla",
    "graphics",
    "generation",
    "edition",
    "instinct",
    "corporation",
    "processor",
    "cpu",
}
# 3g.40gb, also with a compute instance (1c.3g.40gb), media extensions (+me), "MIG" as drivers print it, or @.
_MIG = re.compile(r"^(?P<parent>.+?)[ @](?:MIG )?(?:\d+c\.)?(?P<slices>\d+)g\.(?P<memory_gib>\d+)gb(?:\+\S+)?$", re.IGNORECASE)
_MEMORY_SHARE = (0.88, 1.06)
"""Reported over nominal bytes within which a device is taken for the row: ECC on GDDR costs 6 %, HBM reports all."""
_LISTED_SHARE = (0.9, 1.08)
"""The same of price lists, which write nominal GB or GiB, or what a driver reports."""


OTHER_CARDS = {"ti", "super", "xt", "xtx"}
"""Words that make another card of a name (GTX 1080 Ti), so that they are never added to one."""


def key(name: str) -> str:
    """A name as its bare words, without vendor and trade marks: ``NVIDIA A100-SXM4-80GB`` is ``a100 sxm4 80gb``."""
    # Case and punctuation differ between drivers; plus and dot are parts of names.
    words = re.findall(r"[a-z0-9+.]+", re.sub(r"\((r|tm|c)\)", " ", name.lower()))
    return " ".join(word for word in words if word not in _VENDOR_WORDS)


def index(specs: Iterable[AcceleratorSpec], *, aliases: Iterable[Alias], scopes: Iterable[str]) -> dict[str, str]:
    """Bare words -> id, from the rows' own ids and names and from the aliases of these scopes."""
    wanted = set(scopes)
    # Aliases win over the rows' own ids and names.
    found = {key(alias.name): alias.accelerator_id for alias in aliases if alias.scope in wanted}
    for spec in specs:
        found.setdefault(key(spec.id.replace("_", " ")), spec.id)
        found.setdefault(key(spec.name), spec.id)
    return found


def recognise(
    name: str, *, memory_bytes: int | None, specs: Mapping[str, AcceleratorSpec], names: Mapping[str, str]
) -> AcceleratorSpec | None:
    """The row of a device by the name its driver reports, ``None`` where there is none or its memory contradicts it.

    A MIG instance (``NVIDIA A100-SXM4-80GB MIG 1g.10gb``) is its parent scaled down, see ``mig_slice``.
    """
    # Before the plain name: "A100 ... MIG 1g.10gb" would not be found as a whole.
    mig = _MIG.match(name.strip())
    if mig:
        parent = specs.get(names.get(key(mig["parent"]), ""))
        return None if parent is None else mig_slice(parent, slices=int(mig["slices"]), memory_gib=int(mig["memory_gib"]))
    spec = specs.get(names.get(key(name), ""))
    if spec is None or memory_bytes is None:
        return spec
    low, high = _MEMORY_SHARE
    # Cards of one name are sold with different memory (A100 40 and 80 GB).
    return spec if low <= memory_bytes / spec.memory_bytes <= high else None


def find(name: str, *, specs: Mapping[str, AcceleratorSpec], names: Mapping[str, str]) -> AcceleratorSpec | None:
    """The row a person means: an id, another spelling of it, or ``ID@1g.10gb`` for a MIG instance."""
    # Only with @: names that users type may end in a size without being an instance.
    mig = _MIG.match(name) if "@" in name else None
    if mig is None:
        return specs.get(name) or specs.get(names.get(key(name.replace("_", " ")), ""))
    parent = find(mig["parent"], specs=specs, names=names)
    return None if parent is None else mig_slice(parent, slices=int(mig["slices"]), memory_gib=int(mig["memory_gib"]))


def find_by_words(name: str, *, names: Mapping[str, str]) -> str | None:
    """The id that all words of a name lead to, of the spelling with the fewest others: ``Gaudi 3``, ``2080ti``, ``Jetson Thor``.

    ``None`` where spellings of several rows are as near, and for a short word alone.
    """
    words = _words(name)
    if len(words) < 2 and not any(len(word) > 3 for word in words):
        return None
    others = {spelling: _words(spelling) - words for spelling in names if words <= _words(spelling)}
    others = {spelling: more for spelling, more in others.items() if not more & OTHER_CARDS}
    fewest = min(map(len, others.values()), default=0)
    found = {names[spelling] for spelling, more in others.items() if len(more) == fewest}
    return found.pop() if len(found) == 1 else None


@functools.lru_cache(maxsize=4096)
def _words(name: str) -> frozenset[str]:
    """Letters and numbers of a name, each for itself."""
    return frozenset(re.findall(r"[a-z]+|[0-9]+", key(name.replace("_", " ")))) - {"geforce"}


def mig_slice(parent: AcceleratorSpec, *, slices: int, memory_gib: int) -> AcceleratorSpec | None:
    """A MIG instance: peaks in proportion to its compute slices, bandwidth to its memory; ``None`` if it cannot exist.

    Watts, price and links belong to the whole card and are unknown of a slice.
    """
    if not parent.mig_max or not 1 <= slices <= parent.mig_max or memory_gib * GIB > parent.memory_bytes * 1.02:
        return None
    # An A100 has 7 compute and 8 memory slices, so the two shares differ.
    compute, memory = slices / parent.mig_max, min(1.0, memory_gib * GIB / parent.memory_bytes)
    sms = parent.num_multiprocessors
    return parent.model_copy(
        update={
            "id": f"{parent.id}@{slices}g.{memory_gib}gb",
            "name": f"{parent.name} MIG {slices}g.{memory_gib}gb",
            "peak_flops": {dtype: peak * compute for dtype, peak in parent.peak_flops.items()},
            "memory_bytes": min(memory_gib * GIB, parent.memory_bytes),
            "memory_bandwidth_bytes_per_s": parent.memory_bandwidth_bytes_per_s * memory,
            "num_multiprocessors": None if sms is None else int(sms * compute),
            "l2_bytes": None if parent.l2_bytes is None else int(parent.l2_bytes * memory),
            **dict.fromkeys(
                ("usable_memory_bytes", "tdp_w", "idle_w", "idle_source", "interconnect", "scale_up_bytes_per_s", "price")
            ),
            "ranges": {},
            "mig_max": 0,
            "basis": "assumed",
            "confidence": "low",
            "note": message(
                "{slices} of {mig_max} compute slices of {id}: peaks and bandwidth in proportion",
                slices=slices,
                mig_max=parent.mig_max,
                id=parent.id,
            ),
        }
    )


def recognise_cpu(model_name: str, *, cpus: Iterable[CpuSpec]) -> CpuSpec | None:
    """The row of a processor by the kernel's model name, ``None`` where the name is ambiguous."""
    # The kernel appends clock and cores: "EPYC 9654 96-Core Processor", "@ 2.60GHz".
    bare = re.sub(r"@.*|\b\d+-core\b", " ", model_name, flags=re.IGNORECASE)
    words = key(bare).split()
    return next((cpu for cpu in cpus if key(cpu.name).split() == words), None)


def find_listed(
    name: str, *, memory_gib: float | None, specs: Mapping[str, AcceleratorSpec], find: Callable[[str], AcceleratorSpec | None]
) -> AcceleratorSpec | None:
    """The row that a price list means, whose names run words together (``RTXA6000``) or change their order (``A100-80GB-SXM``).

    Where the list states a memory, only a row of that size is meant: its ``A100`` is the card of 40 or of 80 GB. ``find`` knows the
    spellings of the catalogue.
    """
    exact = [find(name)]
    # Also its own ids and names, run together or in another order, where only one row has them.
    loose = [spec for spec in specs.values() if _forms(name) & (_forms(spec.id) | _forms(spec.name))]
    alone = loose if len({spec.id for spec in loose}) == 1 else []
    if memory_gib is None:
        return next((spec for spec in (*exact, *alone) if spec is not None), None)
    exact.append(find(f"{name} {memory_gib:.0f}GB"))
    first = key(name.replace("-", " ")).split()[:1]
    usual = find(" ".join(first))  # goes before the other variants of its family
    family = [spec for spec in (usual, *specs.values()) if spec and key(spec.name.replace("-", " ")).split()[:1] == first]
    known = (spec for spec in (*exact, *alone, *family) if spec is not None)
    return next((spec for spec in known if _has_memory(spec, memory_gib)), None)


def _forms(name: str) -> set[str]:
    """A name run together, and its words in the order of the alphabet; ``rtxa6000`` and ``6000 a rtx``."""
    words = re.findall(r"[a-z]+|[0-9]+", key(name.replace("_", " ")).replace("geforce", ""))
    return {"".join(words), " ".join(sorted(words))}


def _has_memory(spec: AcceleratorSpec, memory_gib: float) -> bool:
    low, high = _LISTED_SHARE
    return low <= memory_gib * GIB / spec.memory_bytes <= high
