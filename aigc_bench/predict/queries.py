"""From a query to predictions: its case and accelerators by name (``gpt/llama-3.1-8b``, ``tp=4,pp=2``, ``h100``, ``@RUN``)."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Collection, Sequence
from typing import get_args

from aigc_bench.analyze.metrics import metric_of
from aigc_bench.catalog.loader import Catalogue, load_catalogue
from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core import registry
from aigc_bench.core.derivation import derivation_of, record
from aigc_bench.core.errors import AigcBenchError, UnknownNameError, UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.named_code import with_its_code
from aigc_bench.core.records import PROBE_PREFIX, Case, Precision
from aigc_bench.measure.store import Run
from aigc_bench.predict.closed_form.engine_options import OF_ENGINE, EngineOptions, Serving, engine_options
from aigc_bench.predict.closed_form.layouts import DIMENSIONS
from aigc_bench.predict.data_parallel import refuse_shards
from aigc_bench.predict.engines import SERVED
from aigc_bench.predict.fitting.machine_names import VARIANT_ASSUMED, nearest_variant
from aigc_bench.predict.fitting.posterior import Posterior
from aigc_bench.predict.language.of_case import is_seeing
from aigc_bench.predict.machine_card import ProbedAccelerator, accelerator_at, run_at
from aigc_bench.predict.model import predict_case
from aigc_bench.predict.precisions import default_precision
from aigc_bench.predict.predicted import PredictedRow, Predictions
from aigc_bench.predict.published.name_resolution import number_format, resolve_format
from aigc_bench.predict.published.preset_names import precision_in, preset_names, resolve_preset
from aigc_bench.predict.query import Query
from aigc_bench.predict.served_queries import predict_served
from aigc_bench.predict.serving.from_model import ServiceModel
from aigc_bench.predict.validation.own_runs import own_posterior
from aigc_bench.workloads._language_presets import published_precision
from aigc_bench.workloads._own import Resolved, resolve
from aigc_bench.workloads._own_precision import refuse_unbuilt, served_precision

IMAGES_NOT_COUNTED = "images_not_counted"
"""Reason of a prediction for the language model of a model that sees: encoding the images is not in it."""


def accelerators(names: Sequence[str], *, catalogue: Catalogue) -> list[AcceleratorSpec]:
    """Catalogue rows by any spelling, or measured machines (``@RUN``); raises ``UnknownNameError`` with the nearest."""
    return [
        accelerator_at(name, catalogue=catalogue) if name.startswith("@") else _named_accelerator(name, catalogue=catalogue)
        for name in names
    ]


def _named_accelerator(name: str, *, catalogue: Catalogue) -> AcceleratorSpec:
    """The row of a name, else that of the nearest variant of a board (``RTX PRO 6000 Blackwell``)."""
    try:
        return catalogue.accelerator(name)
    except UnknownNameError:
        found = nearest_variant(name, catalogue=catalogue)
        if found is None:
            raise
        return found


def _variant(name: str, *, catalogue: Catalogue) -> tuple[str, ...]:
    """The caution of a name that means a variant that the catalogue does not have."""
    if name.startswith("@"):
        return ()
    try:
        catalogue.accelerator(name)
    except UnknownNameError:
        return (f"{VARIANT_ASSUMED}:{name}",)
    return ()


def parse_parallel(text: str | None, *, devices: int) -> dict[str, int]:
    """``tp=4,pp=2`` as ranks by dimension; their product must divide the devices.

    Raises ``UnknownNameError`` for another dimension, ``UsageError`` for a wrong number.
    """
    ranks: dict[str, int] = {}
    for part in (text or "").split(","):
        if not part.strip():
            continue
        name, count = (text.strip() for text in (*part.split("=", 1), "")[:2])
        if name.isascii() and name.isdecimal():
            known = ", ".join(DIMENSIONS)
            raise UsageError(
                message("--parallel {part}: the dimension is missing.", part=part[:60]),
                message("Write --parallel tp={count} for tensor parallelism; dimensions: {known}.", count=name[:7], known=known),
            )
        if name not in DIMENSIONS:
            raise UnknownNameError(message("parallel dimension"), name, known=DIMENSIONS, where="--parallel")
        # ASCII: \d also matches other scripts' digits.
        if re.fullmatch(r"[1-9]\d{0,6}", count, re.ASCII) is None:
            raise UsageError(
                message("--parallel {part}: no number of ranks.", part=part[:60]), message("Write --parallel tp=4,pp=2.")
            )
        if name in ranks:
            raise UsageError(message("--parallel {text}: {name} is given twice.", text=(text or "")[:60], name=name))
        ranks[name] = int(count)
    # Experts lie on the ranks that tensor and data parallelism count already.
    product = math.prod(count for name, count in ranks.items() if name != "ep")
    if devices % product:
        raise UsageError(
            message(
                "--parallel {text}: {product} ranks do not divide {devices} devices.", text=text, product=product, devices=devices
            ),
            message("Give --devices a multiple of {product}.", product=product),
        )
    return ranks


def case_of(query: Query, *, backend: str = "cuda", own: Resolved | None = None, spec: AcceleratorSpec | None = None) -> Case:
    """Return the query as a valid case; without a preset it is the family's first, without a precision one that ``spec`` has.

    With ``own``, the user's model, ``query.what`` is not looked at. Raises ``UsageError`` where a name is unknown.
    """
    what = query.what
    is_known = what.partition("/")[0] in registry.names("workloads")
    # A workload's own name first: a common name may not hide it.
    named = _named(what, is_known=is_known) if own is None else what
    name, _, preset = named.partition("/") if own is None else (own.workload, "", own.preset)
    workload = registry.load("workloads", name)
    chosen = query.engine or "torch-eager"
    if own is not None and chosen not in SERVED:
        refuse_unbuilt(own.quantization, path=own.model.path, engine=chosen, precision=query.precision)
    if chosen not in SERVED and chosen not in registry.names("engines"):
        raise UnknownNameError("engine", chosen, known=(*registry.names("engines"), *SERVED))
    case = Case(
        workload=name,
        preset=preset or next(iter(workload.presets)),
        mode=query.mode,
        engine=chosen,
        precision=_precision(query.precision, engine=chosen, backend=backend, spec=spec),
        batch_size=query.batch_size or 1,
        devices=query.devices,
        backend=backend,
        settings=dict(query.settings),
        model=None if own is None else own.model,
    )
    workload.validate(case)
    return case


def _named(what: str, *, is_known: bool) -> str:
    """Return ``workload/preset`` of what a query names; raises ``UnknownNameError`` with the nearest presets."""
    name, _, preset = what.partition("/")
    if not is_known:
        found = resolve_preset(what)
        if found is None:
            raise UnknownNameError(message("workload or model"), what, known=[*registry.names("workloads"), *preset_names()])
        return found
    # A family's own preset first, then a hub's name behind the family's: gpt/meta-llama/Llama-3.1-8B-Instruct.
    if preset and preset not in registry.load("workloads", name).presets:
        found = resolve_preset(preset)
        return found if found is not None and found.startswith(f"{name}/") else what
    return what


def _precision(text: str | None, *, engine: str, backend: str, spec: AcceleratorSpec | None) -> Precision:
    """The precision a case can hold; formats of served engines alone (fp8, fp4, int4) travel alongside the case."""
    if text is None:
        return default_precision(spec, backend=backend)
    own: tuple[Precision, ...] = get_args(Precision)
    if text in own:
        # The same text, as the literal type.
        return next(name for name in own if name == text)
    if engine in SERVED and resolve_format(text) is not None:
        # The case's own is that of its activations.
        return default_precision(spec, backend=backend)
    served = ("fp8", "fp4", "mxfp4", "int8", "int4")
    assert all(number_format(name) for name in served), "every format named here exists"
    raise UnknownNameError("precision", text, known=(*own, *served) if engine in SERVED else own)


def predict_one(query: Query, *, accelerators: Sequence[str], runs: Sequence[Run] = ()) -> Predictions:
    """Return one case on each accelerator; raises ``UsageError`` where a name is unknown or nothing answers."""
    _refuse_contradiction(query)
    catalogue = load_catalogue()
    own = None if query.model is None else _served_part(resolve(with_its_code(query.model), changes=query.changes), query)
    specs = specs_of(accelerators, catalogue=catalogue, where="predict")
    posterior = posterior_of(runs, accelerators=accelerators, specs=specs, catalogue=catalogue)
    ranks = parse_parallel(query.parallel, devices=query.devices)
    if query.load is not None:
        refuse_shards(query.engine or message("a service"), ranks)
    service = ServiceModel(catalogue)
    rows: list[tuple[str, PredictedRow]] = []
    for name, spec in zip(accelerators, specs, strict=True):
        case = case_of(query, backend=spec.backend if isinstance(spec, ProbedAccelerator) else "cuda", own=own, spec=spec)
        # fp8, fp4 and int4 are formats of served engines; a case cannot hold them
        served, notes = _served_precision(query, case, own=own) if case.engine in SERVED else (None, ())
        options = _with_own_cache(engine_options(query.engine_options, engine=case.engine), case, own=own)
        if query.load is None:
            found = predict_case(
                case, spec, catalogue=catalogue, parallel=ranks, precision=served, posterior=posterior, options=options
            )
        else:
            serving = Serving(parallel=ranks, precision=served, options=options)
            found = predict_served(case, spec, load=query.load, model=service, serving=serving, max_batch=query.batch_size)
        notes = (*_variant(name, catalogue=catalogue), *notes)
        rows += [(spec.id, _noted(row, notes)) for row in found]
    return Predictions(rows=tuple(rows))


def _refuse_contradiction(query: Query) -> None:
    """Raise ``UsageError`` for fields that would be ignored."""
    if query.model is not None and query.what:
        raise UsageError(
            message("predict: {what!r} and the model {model} are both given.", what=query.what, model=query.model),
            message("Name one of them."),
        )
    if query.model is None and query.changes:
        raise UsageError(message("predict: changes override keys of the config.json of a model of your own, and none is given."))


def _with_own_cache(options: EngineOptions, case: Case, *, own: Resolved | None) -> EngineOptions:
    """The options with the cache's format that the model's files state, where a served engine takes it and none was asked."""
    stated = None if own is None or own.quantization is None else own.quantization.kv_cache
    if stated is None or options.kv_cache is not None or "kv_cache" not in OF_ENGINE.get(case.engine, ()):
        return options
    return EngineOptions.model_validate({**options.model_dump(), "kv_cache": stated})


def _served_part(own: Resolved, query: Query) -> Resolved:
    """The model, of one that sees the language model alone where an engine serves it: the images' own work is not modelled."""
    is_served = query.engine in SERVED and own.workload == "multimodal"
    return dataclasses.replace(own, workload="gpt", note=IMAGES_NOT_COUNTED) if is_served else own


def _served_precision(query: Query, case: Case, *, own: Resolved | None) -> tuple[str | None, tuple[str, ...]]:
    """The number format that an engine serves the model in, and what to say of it and of parts that are not counted.

    As asked; else as the user's files, the name of a checkpoint (``...-FP8``) or the preset's publication have it.
    """
    if own is not None:
        asked = served_precision(own.quantization, path=own.model.path, asked=query.precision)
        numbers = () if own.quantization is None else (message("the file has {words}", words=own.quantization.words),)
        return asked, (*numbers, *(() if own.note is None else (own.note,)))
    unseen = (IMAGES_NOT_COUNTED,) if is_seeing(case) or "-vl-" in f"{query.what.lower()}-" else ()
    if query.precision is not None:
        return query.precision, unseen
    stated, published = precision_in(query.what), published_precision(case.preset) if case.workload == "gpt" else None
    if stated is not None:
        return stated, (message("the name states {precision}", precision=stated), *unseen)
    return published, (message("published in {precision}", precision=published), *unseen) if published else unseen


def _noted(row: PredictedRow, notes: tuple[str, ...]) -> PredictedRow:
    """The row with what is to be said of the model's weights; how far to trust it does not change."""
    if not notes:
        return row
    noted = row.model_copy(update={"reasons": (*row.reasons, *notes)})
    derivation = derivation_of(row)
    return noted if derivation is None else record(noted, derivation)


def predict_cases(cases: Sequence[Case], *, accelerators: Sequence[str], where: str, runs: Sequence[Run] = ()) -> Predictions:
    """Cases on each accelerator, in order. Probes have nothing to predict: they are skipped. A case that cannot be answered is
    one row of its throughput without a value, the reason in its words.

    On a CPU all of them run in processes that have imported what any of them needs.
    """
    catalogue = load_catalogue()
    specs = specs_of(accelerators, catalogue=catalogue, where=where)
    posterior = posterior_of(runs, accelerators=accelerators, specs=specs, catalogue=catalogue)
    own = [case for case in cases if not case.workload.startswith(PROBE_PREFIX)]
    # One fork server imports what any of them needs, and each case's memory includes it.
    libraries = {name for case in own for name in registry.load("workloads", case.workload).imports(case)}
    rows = (
        (spec.id, row)
        for spec in specs
        for case in own
        for row in _answered(case, spec, catalogue=catalogue, posterior=posterior, libraries=libraries)
    )
    return Predictions(rows=tuple(rows))


def posterior_of(
    runs: Sequence[Run], *, accelerators: Sequence[str], specs: Sequence[AcceleratorSpec], catalogue: Catalogue
) -> Posterior:
    """Return the posterior of the given runs and of those named as an accelerator (``@RUN``)."""
    named = [run_at(name) for name in accelerators if name.startswith("@")]
    # By id: a run given as @RUN and as --run is observed once.
    every = {run.info.id: run for run in (*named, *runs)}
    return own_posterior(list(every.values()), specs=specs, catalogue=catalogue)


def _answered(
    case: Case, spec: AcceleratorSpec, *, catalogue: Catalogue, posterior: Posterior, libraries: Collection[str]
) -> list[PredictedRow]:
    try:
        return predict_case(case, spec, catalogue=catalogue, posterior=posterior, libraries=libraries)
    except AigcBenchError as problem:
        return [refused_prediction(case, problem.message)]
    except Exception as problem:  # a model that cannot be traced is a result, like a trial that fails
        return [refused_prediction(case, f"{type(problem).__name__}: {next(iter(str(problem).splitlines()), '')}")]


def refused_prediction(case: Case, reason: str) -> PredictedRow:
    """Return the throughput that was requested for a case and is missing."""
    metric = metric_of("throughput", item=registry.load("workloads", case.workload).item)
    fields = {"workload", "preset", "mode", "scenario", "engine", "precision", "batch_size", "devices"}
    return PredictedRow(
        case=case.id, **case.model_dump(include=fields), metric=metric.id, value=None, low=None, high=None, unit=metric.unit, n=0,
        basis="modelled", verdict="invalid", reasons=(message("unanswered: {reason}", reason=reason),),
    )  # fmt: skip


def specs_of(names: Sequence[str], *, catalogue: Catalogue, where: str) -> list[AcceleratorSpec]:
    """The accelerators that were named; raises ``UsageError`` where none was."""
    if not names:
        raise UsageError(
            message("{where}: no accelerator was named.", where=where),
            message("Add --accelerator ID; `aigc-bench list accelerators` has the ids."),
        )
    return accelerators(names, catalogue=catalogue)
