"""Convert services and jobs of a demand file to records: names checked, sizes from the catalogue, SI units."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from aigc_bench.core import registry
from aigc_bench.core.document import shown
from aigc_bench.core.errors import UnknownNameError, UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Estimate, Mode, OwnModel, Setting
from aigc_bench.plan.demand.amounts import Amount
from aigc_bench.plan.demand.arrival_rates import from_hourly, from_rate, from_times, from_users, usual_duty
from aigc_bench.plan.demand.schema import WrittenBatch, WrittenService, WrittenTraining
from aigc_bench.plan.demand.served_options import conversation_of, most_tokens_of, options_of, refuse_beyond_context
from aigc_bench.plan.demand.slo_schema import WrittenSlo
from aigc_bench.plan.records.demand import Arrival, Autoscaling, Checkpoints, Job, Service, Slo
from aigc_bench.plan.stats.estimates import GENERAL, assumed, named, over, times
from aigc_bench.predict.engines import SERVED
from aigc_bench.predict.published.name_resolution import language_models, resolve_format
from aigc_bench.workloads._own import resolve

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue

DAY_S = 86400.0
SIZES: Mapping[str, tuple[float, float, float]] = {
    # Bytes; a factor of ten or more from end to end, as resolutions and encoders differ.
    "image": (200e3, 1e6, 2e6),
    "frame": (20e3, 60e3, 200e3),
    "video": (5e6, 20e6, 50e6),
    "sample": (50.0, 250.0, 1e3),
    # Speech as Opus at 32 kbit/s, MP3 at 128 kbit/s, or 16-bit samples at 16 kHz.
    "audio-second": (4e3, 16e3, 32e3),
}
"""Default bytes per item (low, value, high)."""
SPOKEN_TEXT = (5.0, 15.0, 40.0)
"""Bytes of text in a second of speech: two to three words."""
TEXT_OF_SPEECH: Mapping[str, Literal["input", "output"]] = {"speech_recognition": "output", "text_to_speech": "input"}
"""The side of a family of audio that is text."""
# Bytes; the interval is wide because the kind of item is not known.
OTHER_SIZE = (1e3, 20e3, 200e3)
LONGEST = 10_000_000
"""Tokens of the longest sequence that a plan accepts."""
STATED = message("stated in the demand")
Table = TypeVar("Table", WrittenService, WrittenBatch, WrittenTraining)


def service_of(written: WrittenService, *, catalogue: Catalogue, times_of: Callable[[str], Sequence[float]]) -> Service:
    """Return a service; raise ``UsageError`` if a name or a setting is unknown."""
    settings = _settings(written.workload, written.settings, written.input_tokens, written.output_tokens)
    item = checked_item(written.workload, written.preset, mode="infer", settings=settings, model=own_model(written))
    _check_names(written.precisions, written.engines)
    # Tokens of an answer are the items of a language model.
    per_request = written.output_tokens if is_language(written.workload) else written.items_per_request
    items = _or(per_request, 1.0, unit=f"{item}s/request", of=message("{item}s of an answer", item=item))
    prompt = written.input_tokens.estimate("token/request", source=STATED) if written.input_tokens else None
    return Service(
        name=written.name,
        workload=written.workload,
        preset=written.preset,
        item=item,
        arrival=_arrival(written, catalogue=catalogue, times_of=times_of),
        items_per_request=items,
        input_tokens=prompt,
        request_bytes=_size(written.request_kb, item="token", items=prompt, catalogue=catalogue),
        response_bytes=_size(written.response_kb, item=item, items=items, catalogue=catalogue, is_text=_is_text(written, "output")),
        kept_days=_days(written.kept),
        slo=_slo(written.slo),
        settings=settings,
        # The queue formulae take the squared coefficient of variation.
        work_cv2=(written.work_cv if written.work_cv is not None else 1.0) ** 2,
        most_tokens=most_tokens_of(written.workload, written.preset, model=own_model(written)),
        conversation=conversation_of(written),
        engine_options=options_of(written, model=own_model(written)),
        autoscaling=_autoscaling(written),
        precisions=written.precisions,
        engines=written.engines,
        api_model=_api_model(written.api_model, catalogue=catalogue),
        model=own_model(written),
    )


def batch_of(written: WrittenBatch, *, catalogue: Catalogue) -> Job:
    """Return a batch job: inference with a deadline."""
    settings = _settings(written.workload, written.settings, written.input_tokens, written.output_tokens)
    item = checked_item(written.workload, written.preset, mode="infer", settings=settings, model=own_model(written))
    _check_names(written.precisions, written.engines)
    answers = written.items.estimate(f"{item}s", source=STATED)
    length = written.output_tokens.estimate("token/answer", source=STATED) if written.output_tokens else None
    each = partial(_size, item=item, items=None, catalogue=catalogue)
    return Job(
        name=written.name,
        kind="batch",
        workload=written.workload,
        preset=written.preset,
        mode="infer",
        item=item,
        items=named(times(answers, length, unit=f"{item}s"), message("answers x {item}s of one, as stated", item=item))
        if length
        else answers,
        window_s=written.deadline,
        # A run does not begin before the previous one has used up its window.
        runs_per_day=DAY_S / max(written.every, written.deadline),
        bytes_per_item=_each(each(written.item_kb, is_text=_is_text(written, "input")), length, item=item),
        response_bytes=_each(each(written.response_kb, is_text=_is_text(written, "output")), length, item=item),
        kept_days=_days(written.kept),
        settings=settings,
        engine_options=options_of(written, model=own_model(written)),
        precisions=written.precisions,
        engines=written.engines,
        model=own_model(written),
    )


def training_of(written: WrittenTraining, *, life_s: float) -> Job:
    """Return a training or fine-tuning job; without an interval it is one run in ``life_s``, the life of the servers."""
    item = checked_item(written.workload, written.preset, mode="train", settings=written.settings, model=own_model(written))
    _check_names(written.precisions, ())
    amount = written.tokens or written.samples
    assert amount is not None, "the written record holds one of them"
    # Adapters of other families are not modelled (``search.trained_candidates`` is of language models).
    if written.method == "lora" and not is_language(written.workload):
        raise UsageError(message("method = 'lora' is supported for language models only."), message("Use method = 'full'."))
    if (written.tokens is not None) != (item == "token"):
        raise UsageError(
            message(
                "{workload} trains on {item}s; give {more}.",
                workload=written.workload,
                item=item,
                more="tokens" if item == "token" else "samples",
            )
        )
    # UTF-8 text has about 4 bytes per token.
    default = (3.0, 4.0, 5.0) if item == "token" else SIZES.get(item, OTHER_SIZE)
    return Job(
        name=written.name,
        kind="training" if written.method == "pretraining" else "finetuning",
        workload=written.workload,
        preset=written.preset,
        item=item,
        items=amount.estimate(f"{item}s", source=STATED),
        window_s=written.deadline,
        # What is bought is paid for its whole life, what is rented by the hour for the one run.
        runs_per_day=DAY_S / max(written.every or life_s, written.deadline),
        bytes_per_item=_in_bytes(
            written.sample_kb, f"B/{item}", default=default, of=message("stored size of a training {item}", item=item)
        ),
        settings=written.settings,
        adapter=written.method == "lora",
        checkpoints=Checkpoints(
            kept=written.checkpoints_kept.estimate("count", source=STATED) if written.checkpoints_kept else None,
            stall_s=assumed(written.checkpoint_stall, unit="s", source=STATED) if written.checkpoint_stall else None,
        ),
        precisions=written.precisions,
        model=own_model(written),
    )


Check = Callable[[], object]


def checks_of(
    written: WrittenService | WrittenBatch | WrittenTraining, *, catalogue: Catalogue, times_of: Callable[[str], Sequence[float]]
) -> tuple[Check, ...]:
    """Return the independent checks of one table; a table that passes all of them can be converted."""
    mode: Mode = "train" if isinstance(written, WrittenTraining) else "infer"
    prompt, answer = (None, None) if isinstance(written, WrittenTraining) else (written.input_tokens, written.output_tokens)

    def settings() -> None:
        """Raise if family, preset, mode or a setting is unknown."""
        given = written.settings if mode == "train" else _settings(written.workload, written.settings, prompt, answer)
        checked_item(written.workload, written.preset, mode=mode, settings=given, model=own_model(written))

    engines = () if isinstance(written, WrittenTraining) else written.engines
    checks: list[Check] = [settings, lambda: _check_names(written.precisions, engines)]
    if not isinstance(written, WrittenTraining):
        served = written
        checks += [
            lambda: refuse_beyond_context(served, model=own_model(served)),
            lambda: options_of(served, model=own_model(served)),
        ]
    if isinstance(written, WrittenService):
        service = written
        checks += [
            lambda: _arrival(service, catalogue=catalogue, times_of=times_of),
            lambda: _api_model(service.api_model, catalogue=catalogue),
            lambda: conversation_of(service),
            lambda: _autoscaling(service),
        ]
    return tuple(checks)


def is_language(workload: str) -> bool:
    """Return whether the family counts tokens and takes prompt and response lengths."""
    return workload == "gpt"


def with_own_model(written: Table, *, folder: Path) -> Table:
    """Return the table with family and preset of the user's own model, relative to the demand file; others are unchanged."""
    if written.model is None:
        return written
    # A file name may contain a colon, so a file of that name comes first.
    is_function = ":" in written.model and not (folder / written.model).exists()
    path = written.model if is_function else str(folder / written.model)
    found = resolve(path)
    return written.model_copy(update={"workload": found.workload, "preset": found.preset, "model": path})


def own_model(written: WrittenService | WrittenBatch | WrittenTraining) -> OwnModel | None:
    """Return the user's own model of a table, as cases hold it."""
    return None if written.model is None else resolve(written.model).model


def checked_item(workload: str, preset: str, *, mode: Mode, settings: Mapping[str, Setting], model: OwnModel | None = None) -> str:
    """Return the family's item; raise if family, preset, mode or a setting is unknown.

    Served language models need no preset of a workload: every model that the performance model knows by name is accepted.
    """
    family = registry.load("workloads", workload)
    # The closed form of serving engines needs no traced network, only the model's dimensions.
    if is_language(workload) and model is None and preset not in family.presets:
        if preset not in language_models():
            raise UnknownNameError(message("gpt preset"), preset, known={*family.presets, *language_models()})
        _check_lengths(settings, known=family.settings)
        return str(family.item)
    family.validate(Case(workload=workload, preset=preset, mode=mode, settings=settings, model=model))
    return str(family.item)


def _check_lengths(settings: Mapping[str, Setting], *, known: type[BaseModel]) -> None:
    """Raise ``UsageError`` if a setting of a language model that is only computed is unknown or not a length."""
    for key, value in settings.items():
        if key not in known.model_fields:
            raise UnknownNameError("setting", key, known=known.model_fields)
        # bool is an int in Python.
        if isinstance(value, bool) or not isinstance(value, int) or value > LONGEST:
            raise UsageError(
                message(
                    "settings, {key} = {value}: must be a whole number up to {longest:,}.",
                    key=key,
                    value=shown(value),
                    longest=LONGEST,
                )
            )
    try:
        known.model_validate(settings)
    except ValidationError as problem:
        wrong = problem.errors()[0]
        said = wrong["msg"].replace("Input should be", "must be")
        raise UsageError(
            message("settings, {key} = {value}: {said}.", key=wrong["loc"][0], value=shown(wrong["input"]), said=said)
        ) from None


def _settings(workload: str, given: Mapping[str, Setting], prompt: Amount | None, answer: Amount | None) -> dict[str, Setting]:
    """Return the family's settings with the lengths of a language model."""
    if not is_language(workload):
        if prompt is not None or answer is not None:
            raise UsageError(
                message("input_tokens and output_tokens belong to language models, not to {workload}.", workload=workload),
                message("Use settings."),
            )
        return dict(given)
    if prompt is None or answer is None:
        raise UsageError(message("input_tokens and output_tokens are required for a language model."))
    for key, instead in (("prompt_len", "input_tokens"), ("max_new_tokens", "output_tokens")):
        if key in given:
            raise UsageError(
                message("settings, {key}: a service or batch states this as {instead}.", key=key, instead=instead),
                message("Remove it from settings."),
            )
    # The family takes prompts from 2 tokens and answers from 1 on.
    return {**given, "prompt_len": max(2, round(prompt.value)), "max_new_tokens": max(1, round(answer.value))}


def _check_names(precisions: Sequence[str], engines: Sequence[str]) -> None:
    known = ("fp32", "tf32", "bf16", "fp16", "fp8", "fp4", "int8", "int4")
    for name in precisions:
        if name not in known or resolve_format(name) is None:
            raise UnknownNameError("precision", name, known=known)
    for name in engines:
        if name not in (choices := {*registry.names("engines"), *SERVED}):
            raise UnknownNameError("engine", name, known=choices)


def _arrival(written: WrittenService, *, catalogue: Catalogue, times_of: Callable[[str], Sequence[float]]) -> Arrival:
    # Users and hours already speak of the busy hour: only its busiest minutes are added, not the day's shape once more.
    usual = catalogue.constant("busy_hour_peak_factor")
    peak = written.peak_factor.estimate("ratio", source=STATED) if written.peak_factor else usual
    duty = (
        written.duty.estimate("fraction", source=STATED)
        if written.duty
        else usual_duty(diurnal=catalogue.constant("diurnal_peak_factor"), peak_factor=peak)
    )
    if written.rate is not None:
        # Flat where no mean is stated: a rate says nothing of a day.
        return from_rate(
            written.rate.estimate("request/s", source=STATED), duty=duty if written.duty else None, minutes_over_hour=usual.value
        )
    if written.hourly_requests is not None:
        return from_hourly(written.hourly_requests, peak_factor=peak, source=message("hourly_requests of the demand"))
    if written.trace is not None:
        return from_times(times_of(written.trace), source=written.trace)
    assert written.users and written.active_share and written.requests_per_minute, "the written record holds all three"
    return from_users(
        users=written.users.estimate("users", source=STATED),
        active_share=written.active_share.estimate("fraction", source=STATED),
        requests_per_minute=written.requests_per_minute.estimate("request/min", source=STATED),
        peak_factor=peak,
        duty=duty,
        minutes_over_hour=usual.value,
    )


def _autoscaling(written: WrittenService) -> Autoscaling:
    least, most = written.min_replicas or 1, written.max_replicas
    if most is not None and most < least:
        raise UsageError(
            message("max_replicas = {most} is below min_replicas = {least}.", most=most, least=least), message("Give one of them.")
        )
    return Autoscaling(at_least=least, at_most=most)


def _slo(written: WrittenSlo) -> Slo:
    return Slo(ttft_s=written.ttft, tpot_s=written.tpot, latency_s=written.latency, percentile=written.percentile / 100)


def _or(given: Amount | None, default: float, *, unit: str, of: str) -> Estimate:
    if given is not None:
        return given.estimate(unit, source=STATED)
    return assumed(default, unit=unit, source=message("{of}, not stated", of=of))


def _is_text(written: WrittenService | WrittenBatch, side: Literal["input", "output"]) -> bool:
    """Return whether that side of a family of audio is the text that is spoken."""
    return TEXT_OF_SPEECH.get(written.workload) == side


def _size(given: Amount | None, *, item: str, items: Estimate | None, catalogue: Catalogue, is_text: bool = False) -> Estimate:
    """Return the bytes as stated, else of the items: text by its tokens, the rest by a default size per item.

    ``is_text``: the items are seconds of speech, and this is what is spoken.
    """
    if given is not None:
        # kB of a file are 1,000 bytes, as networks and disks count.
        return given.estimate("B", source=STATED, factor=1000.0)
    if item == "token":
        per_token = catalogue.constant("text_bytes_per_token")
        if items is None:
            return assumed(2000, low=500, high=8000, unit="B", source=message("a text; {general}", general=GENERAL))
        return named(times(items, per_token, unit="B"), message("tokens x bytes of one: {source}", source=per_token.source))
    default = SPOKEN_TEXT if is_text else SIZES.get(item, OTHER_SIZE)
    one = _in_bytes(None, "B", default=default, of=message("size of one {item}", item=item))
    return named(times(items, one, unit="B"), f"{item}s x {one.source}") if items else one


def _each(size: Estimate, length: Estimate | None, *, item: str) -> Estimate:
    """Return the bytes per item; for text, whose size is stated as a whole, the bytes per token."""
    return (
        size
        if length is None
        else named(over(size, length, unit=f"B/{item}"), message("{source} / {item}s of an answer", source=size.source, item=item))
    )


def _in_bytes(given: Amount | None, unit: str, *, default: tuple[float, float, float], of: str) -> Estimate:
    if given is not None:
        return given.estimate(unit, source=STATED, factor=1000.0)
    return assumed(
        default[1], low=default[0], high=default[2], unit=unit, source=message("{of}; {general}", of=of, general=GENERAL)
    )


def _days(kept_s: float | None) -> Estimate:
    days = 30.0 if kept_s is None else kept_s / DAY_S
    return assumed(days, unit="day", source=STATED if kept_s is not None else message("default of 30 days"))


def _api_model(name: str | None, *, catalogue: Catalogue) -> str | None:
    if name is None:
        return None
    known: dict[str, Any] = {row.model: row for row in catalogue.api_prices.values()}
    if name not in known and name not in catalogue.api_prices:
        raise UnknownNameError(message("model of a commercial API"), name, known=known)
    return name
