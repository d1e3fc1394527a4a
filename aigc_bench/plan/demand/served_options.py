"""How a served language model is run, from a demand's words: engine options, conversations, and the limit of its context.

prompt of a turn        input tokens + (turns - 1) / 2 x (input + output tokens): the mean over the turns of a conversation
hits of a conversation  1 - input tokens / that prompt: all turns before are in the cache, unless prefix_hit_rate says otherwise
"""

from __future__ import annotations

from typing import TypeVar

from aigc_bench.core import registry
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, OwnModel
from aigc_bench.plan.demand.amounts import Amount
from aigc_bench.plan.demand.schema import WrittenBatch, WrittenService
from aigc_bench.plan.demand.serving_schema import WrittenEngineOptions
from aigc_bench.plan.records.demand import Conversation
from aigc_bench.predict.closed_form.engine_options import OWN_DRAFTS, EngineOptions, engine_options
from aigc_bench.predict.closed_form.optioned_rows import draft_model, refuse_missing_layers
from aigc_bench.predict.language.of_case import language_model
from aigc_bench.predict.published.language_models import LanguageModel
from aigc_bench.predict.published.name_resolution import language_models
from aigc_bench.workloads._hugging_face import position_limit

WHERE = "engine_options"
MOST_CACHED = 0.999
"""Of a prompt at least its last token is read."""
GENERATING = "gpt"
Written = TypeVar("Written", WrittenService, WrittenBatch)


def with_context(written: Written) -> Written:
    """Return a service whose prompts hold the turns before them, and whose prefix cache has these turns; others are unchanged."""
    if not isinstance(written, WrittenService) or (written.turns or 1.0) <= 1 or written.workload != GENERATING:
        return written
    new, answer = written.input_tokens, written.output_tokens
    # The check of lengths says what is missing.
    if new is None or answer is None:
        return written
    before = (written.turns - 1) / 2 if written.turns else 0.0
    ends = {end: getattr(new, end) + before * (getattr(new, end) + getattr(answer, end)) for end in ("low", "value", "high")}
    options = written.engine_options or WrittenEngineOptions()
    if options.prefix_hit_rate is None:
        options = options.model_copy(update={"prefix_hit_rate": min(MOST_CACHED, 1 - new.value / ends["value"])})
    return written.model_copy(update={"input_tokens": Amount(**ends), "engine_options": options})


def conversation_of(written: WrittenService) -> Conversation:
    """Return the conversation that a service's requests are turns of; raises ``UsageError`` for one without a language model."""
    is_talk = written.turns is not None or written.think_time is not None
    if is_talk and written.workload != GENERATING:
        raise UsageError(
            message("turns and think_time belong to language models, not to {workload}.", workload=written.workload),
            message("Remove them."),
        )
    if written.think_time is not None and written.turns is None:
        raise UsageError(message("think_time is the time between the turns of a conversation."), message("Give turns, too."))
    return Conversation(turns=written.turns or 1.0, think_s=written.think_time or 0.0)


def options_of(written: WrittenService | WrittenBatch, *, model: OwnModel | None) -> EngineOptions:
    """Return the options of the serving engine.

    Raises ``UsageError`` in one line where the model is not served by an engine with options, or an allowed engine lacks one.
    """
    stated = (written.engine_options or WrittenEngineOptions()).model_dump(exclude_none=True)
    if not stated:
        return EngineOptions()
    served = served_model(written.workload, written.preset, model=model)
    if served is None:
        raise UsageError(
            message("{where}: {workload} {preset} is run by no serving engine.", where=WHERE, workload=written.workload,
                    preset=written.preset),
            message("Remove the table, or take a generating language model."),
        )  # fmt: skip
    found = EngineOptions()
    # Without a list all engines that are searched have every option; vllm stands for them.
    for engine in written.engines or ("vllm",):
        found = engine_options(stated, engine=engine, where=WHERE)
    refuse_missing_layers(found, model=served, where=WHERE)
    if found.draft is not None and found.draft not in OWN_DRAFTS:
        draft_model(found, model=served, where=WHERE)
    return found


def served_model(workload: str, preset: str, *, model: OwnModel | None) -> LanguageModel | None:
    """Return the language model that serving engines run; ``None`` for all others."""
    if workload != GENERATING:
        return None
    found = language_model(workload, preset, model=model)
    return found if found is not None and (model is not None or found.name in language_models()) else None


def most_tokens_of(workload: str, preset: str, *, model: OwnModel | None) -> int | None:
    """Return the tokens of prompt and answer at which a language model's context ends; ``None`` where no limit is known."""
    family = registry.load("workloads", workload)
    if workload != GENERATING or (model is None and preset not in family.presets) or (model is not None and model.is_code):
        return None
    return position_limit(family.preset(Case(workload=workload, preset=preset, mode="infer", model=model)).config)


def refuse_beyond_context(written: WrittenService | WrittenBatch, *, model: OwnModel | None) -> None:
    """Raise ``UsageError`` where prompts or answers reach beyond the model's context at the upper end of what is stated."""
    prompt, answer = written.input_tokens, written.output_tokens
    if prompt is None or answer is None:
        return
    most = most_tokens_of(written.workload, written.preset, model=model)
    if most is not None and prompt.value + answer.value > most:
        # The workload itself refuses the middle of both: one mistake is reported once.
        return
    turns = (written.turns or 1.0) if isinstance(written, WrittenService) else 1.0
    longest = max(prompt.high + answer.value, prompt.value + answer.high)
    if turns > 1:
        # The last turn holds all others; the mean prompt holds half of them.
        longest = max(longest, _last_turn(prompt.value, answer.value, turns))
    if most is not None and longest > most:
        raise UsageError(
            message(
                "input_tokens and output_tokens: requests of up to {longest:,.0f} tokens exceed the {most:,} of {preset}.",
                longest=longest,
                most=most,
                preset=written.preset,
            ),
            message("Lower them, or take a model with a longer context."),
        )


def _last_turn(mean_prompt: float, answer: float, turns: float) -> float:
    """Return prompt and answer of the last turn, from the mean prompt over all turns."""
    before = (turns - 1) / 2
    new = (mean_prompt - before * answer) / (1 + before)
    return turns * (new + answer)
