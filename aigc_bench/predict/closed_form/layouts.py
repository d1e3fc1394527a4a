"""How a served model lies on its devices: as ``--parallel`` states it, checked, or chosen: the fewest ranks that hold it.

tp   ranks that divide each layer: its heads, its columns, its experts
pp   stages of whole layers, through which batches follow each other
dp   replicas; with ``ep`` of one model, whose attention each of them runs for its own requests
ep   ranks among which the experts are divided (of ``tp x dp``)
cp   groups of ranks that divide the tokens of a prompt and its cache

A traced model in training has dp, and fsdp: devices among which its states are divided (``predict.data_parallel``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.predict.closed_form.language import Layout
from aigc_bench.predict.closed_form.links import domain_devices
from aigc_bench.predict.published.language_models import LanguageModel

DIMENSIONS = ("tp", "pp", "dp", "ep", "cp", "fsdp")
_BY_LAYERS = ("llama.cpp",)
"""Engines that lay whole layers on each device and never divide one: tensor parallelism is not theirs."""
_MOST_RANKS = 1024


def stated_layout(model: LanguageModel, *, engine: str, ranks: Mapping[str, int], devices: int, tensor: int = 1) -> Layout:
    """Return the layout that ``ranks`` state; ``tensor`` are the ranks of a layer where they do not.

    Raises ``UsageError`` in one line where the model cannot be divided like that, or its engine does not.
    """
    stages, data, experts, context = (ranks.get(name, 1) for name in ("pp", "dp", "ep", "cp"))
    tensor = ranks.get("tp", tensor)
    _refuse_undivided(model, engine=engine, tensor=tensor, stages=stages)
    # With its experts divided, a model's data-parallel ranks are one replica: they meet at the experts.
    shared = data if experts > 1 else 1
    _refuse_experts(model, experts=experts, ranks=tensor * shared)
    return Layout(
        tensor=tensor * shared,
        pipeline=stages,
        context=context,
        replicas=max(1, devices // (tensor * shared * stages * context)),
        attention_replicas=shared,
        experts=experts,
        is_pipelined=engine not in _BY_LAYERS,
    )


def chosen_layout(
    model: LanguageModel,
    spec: AcceleratorSpec,
    *,
    engine: str,
    devices: int,
    ranks: Mapping[str, int],
    fits: Callable[[Layout], bool],
) -> Layout:
    """Return the layout of the fewest ranks a replica for which ``fits`` holds; what ``ranks`` state stays.

    Ranks of a layer first, within the devices that a link joins, then stages. Where nothing fits: all devices as one replica.
    """
    layout = None
    for layout in possible_layouts(model, spec, engine=engine, devices=devices, ranks=ranks):
        if fits(layout):
            return layout
    assert layout is not None, "one device is always possible"
    return layout


def possible_layouts(
    model: LanguageModel, spec: AcceleratorSpec, *, engine: str, devices: int, ranks: Mapping[str, int]
) -> Iterator[Layout]:
    """Yield the layouts that keep what ``ranks`` state, from the fewest ranks of a replica to the most."""
    if "tp" in ranks or engine in _BY_LAYERS:
        by_layers = {"pp": min(devices, model.num_layers)} if engine in _BY_LAYERS else {}
        yield stated_layout(model, engine=engine, ranks={**by_layers, **ranks}, devices=devices)
        return
    given = math.prod(ranks.get(name, 1) for name in ("pp", "dp", "cp"))
    room = max(1, devices // given)
    widths = [count for count in range(1, room + 1) if room % count == 0 and divides(model, tensor=count)]
    within = [count for count in widths if count <= domain_devices(spec)] or widths[:1]
    # Stated replicas share all devices among them, so that each has what is left over.
    for width in within[-1:] if "dp" in ranks else within:
        yield stated_layout(model, engine=engine, ranks=ranks, devices=devices, tensor=width)
    if "pp" not in ranks:
        for stages in range(2, min(room // within[-1], model.num_layers) + 1):
            if (room // within[-1]) % stages == 0:
                yield stated_layout(model, engine=engine, ranks={**ranks, "pp": stages}, devices=devices, tensor=within[-1])


def divides(model: LanguageModel, *, tensor: int) -> bool:
    """Return whether a layer can be divided over that many ranks: whole heads each, and whole key-value heads or whole copies."""
    if model.num_heads % tensor:
        return False
    # One compressed cache serves all heads of latent attention.
    keys = model.num_kv_heads
    return model.has_latent_attention or keys % tensor == 0 or tensor % keys == 0


def ranks_of(layout: Layout) -> dict[str, int]:
    """Return the degrees of one replica, as ``--parallel`` states them."""
    shared = layout.attention_replicas
    degrees = {"tp": layout.tensor // shared, "pp": layout.pipeline, "cp": layout.context}
    return {**degrees, "dp": shared, "ep": layout.experts} if layout.experts > 1 else degrees


def words_of(layout: Layout) -> str:
    """Return the layout in the words of ``--parallel``, with its replicas: ``tp=4,pp=2, 2 replicas``."""
    stated = ",".join(f"{name}={count}" for name, count in ranks_of(layout).items() if count > 1 or name == "tp")
    return message("{stated}, {replicas:g} replicas", stated=stated, replicas=layout.replicas) if layout.replicas > 1 else stated


def _refuse_undivided(model: LanguageModel, *, engine: str, tensor: int, stages: int) -> None:
    if tensor > 1 and engine in _BY_LAYERS:
        raise UsageError(
            message("--parallel tp={tensor}: {engine} lays whole layers on each device.", tensor=tensor, engine=engine),
            message("Use --parallel pp={tensor}.", tensor=tensor),
        )
    if not divides(model, tensor=tensor):
        works = [count for count in range(1, _MOST_RANKS + 1) if divides(model, tensor=count)]
        raise UsageError(
            message(
                "--parallel tp={tensor}: the {num_heads} heads and {num_kv_heads} key-value heads of {model} do not divide by it.",
                tensor=tensor,
                num_heads=model.num_heads,
                num_kv_heads=model.num_kv_heads,
                model=model.name,
            ),
            message("The nearest that works is tp={nearest}.", nearest=_nearest(tensor, works)),
        )
    if stages > model.num_layers:
        raise UsageError(
            message(
                "--parallel pp={stages}: {model} has {num_layers} layers.",
                stages=stages,
                model=model.name,
                num_layers=model.num_layers,
            ),
            message("The nearest that works is pp={nearest}.", nearest=model.num_layers),
        )


def _refuse_experts(model: LanguageModel, *, experts: int, ranks: int) -> None:
    if experts == 1:
        return
    if not model.num_experts:
        raise UsageError(
            message("--parallel ep={experts}: {model} has no experts.", experts=experts, model=model.name), message("Omit ep.")
        )
    works = [count for count in range(1, ranks + 1) if ranks % count == 0 and model.num_experts % count == 0]
    if experts not in works:
        raise UsageError(
            message(
                "--parallel ep={experts}: it must divide the {ranks} ranks of tp x dp and the {num_experts} experts of {model}.",
                experts=experts,
                ranks=ranks,
                num_experts=model.num_experts,
                model=model.name,
            ),
            message("The nearest that works is ep={nearest}.", nearest=_nearest(experts, works)),
        )


def _nearest(wanted: int, works: list[int]) -> int:
    # The lower of two that are equally near: it needs fewer devices.
    return min(works, key=lambda count: (abs(count - wanted), count))
