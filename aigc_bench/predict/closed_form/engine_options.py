"""What serving engines can be set to do, and what each option costs and saves: the formulae that predictions and plans share.

prefix_hit_rate   share of a prompt's tokens whose keys and values are in the cache already: they are not read again
chunk_tokens      tokens of prompts that one step reads: the weights are read once for each chunk
kv_cache          number format of the cache: bytes of an element
draft, draft_tokens, acceptance     speculative decoding by a draft model, a layer of the model's own (mtp), EAGLE or n-grams
prefill_devices   devices that read prompts for the others (disaggregated serving), over a link between them
kv_offload        share of the hits that lie in the host's memory and come back over PCIe
lora_adapters, lora_rank            adapters that are held at a time, each a pair of thin matrices for every layer
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from aigc_bench.core.errors import UnknownNameError, UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Positive, Record, Setting
from aigc_bench.predict.published.language_models import LanguageModel

KvFormat = Literal["bf16", "fp16", "fp8", "int8", "fp4"]
_KV_BYTES: Mapping[str, float] = MappingProxyType({"bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "int8": 1.0, "fp4": 0.5625})

OWN_DRAFTS = ("mtp", "eagle", "ngram")
"""Drafts that need no second model: the model's own prediction layers, a trained layer on top of it, and text that repeats."""

_EVERY = (
    "prefix_hit_rate", "chunk_tokens", "kv_cache", "draft", "draft_tokens", "acceptance", "prefill_devices", "kv_offload",
    "lora_adapters", "lora_rank",
)  # fmt: skip
_DRAFTED = ("draft", "draft_tokens", "acceptance")
OF_ENGINE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "vllm": _EVERY,
        "sglang": _EVERY,
        "tensorrt-llm": _EVERY,
        # llama-server: --cache-reuse, --cache-type-k, --model-draft, --lora; it reads prompts where it decodes.
        "llama.cpp": ("prefix_hit_rate", "kv_cache", *_DRAFTED, "lora_adapters", "lora_rank"),
        # Assisted generation.
        "transformers": _DRAFTED,
        "fastertransformer": (),
    }
)
"""Options that an engine has, by its documentation of 2026 (general knowledge)."""
_DRAFTS_OF: Mapping[str, tuple[str, ...]] = MappingProxyType({"llama.cpp": ("ngram",), "transformers": ("ngram",)})
"""Engines that take a model as their draft, and of ``OWN_DRAFTS`` only some."""


class EngineOptions(Record):
    """The options of a served engine that change its work; the defaults change nothing."""

    prefix_hit_rate: float = Field(default=0.0, ge=0, lt=1)
    chunk_tokens: int | None = Field(default=None, ge=16, le=2**20)
    kv_cache: KvFormat | None = None
    draft: str | None = None
    draft_tokens: int = Field(default=0, ge=0, le=64)
    acceptance: float = Field(default=0.0, ge=0, lt=1)
    prefill_devices: int = Field(default=0, ge=0)
    kv_offload: float = Field(default=0.0, ge=0, le=1)
    lora_adapters: int = Field(default=0, ge=0, le=100_000)
    lora_rank: Positive = 16

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        is_drafted = self.draft is not None
        assert is_drafted == (self.draft_tokens > 0) == (self.acceptance > 0), "draft, draft_tokens and acceptance go together"
        assert self.prefix_hit_rate > 0 or not self.kv_offload, "kv_offload is a share of prefix_hit_rate's hits"
        return self

    @property
    def tokens_a_step(self) -> float:
        """Return the tokens that a decode step gives on average."""
        return expected_tokens(self.acceptance, self.draft_tokens)

    @property
    def is_calibrated(self) -> bool:
        """Return whether published runs are of this setting: the cache's width is a term of the closed form, and no option more."""
        return self.model_copy(update={"kv_cache": None}) == EngineOptions()

    @property
    def read_share(self) -> float:
        """Return the share of a prompt that is read."""
        return 1.0 - self.prefix_hit_rate


class Serving(Record):
    """How an engine is to serve a case: devices of a replica by kind of parallelism (``tp``, ``pp`` ...), format, and options.

    Without ``parallel`` the fewest devices that hold the model are a replica; without ``precision`` the case's own is meant.
    """

    parallel: Mapping[str, int] = Field(default_factory=dict)
    precision: str | None = None
    options: EngineOptions = EngineOptions()


OPTION = "--engine-option"
"""Where options are stated on a command line."""


def engine_options(given: Mapping[str, Setting], *, engine: str, where: str = OPTION) -> EngineOptions:
    """Return the options; raises ``UsageError`` in one line for one that does not exist, or that the engine does not have.

    ``where`` they are stated begins the line.
    """
    if not given:
        return EngineOptions()
    known = OF_ENGINE.get(engine)
    if known is None:
        raise UsageError(
            message("{where}: {engine} has none that is predicted.", where=where, engine=engine),
            message("Engines with options: {engines}.", engines=", ".join(name for name, options in OF_ENGINE.items() if options)),
        )
    for name in given:
        if name not in _EVERY:
            raise UnknownNameError(message("option"), name, known=_EVERY, where=where)
        if name not in known:
            raise UsageError(
                message("{where} {name}: {engine} has no such option.", where=where, name=name, engine=engine),
                message("Its options: {known}.", known=", ".join(known)) if known else message("It has none."),
            )
    try:
        found = EngineOptions.model_validate(dict(given))
    except ValidationError as problem:
        first = problem.errors()[0]
        said = first["msg"].removeprefix("Assertion failed, ")
        place = ".".join(map(str, first["loc"])) or ", ".join(given)
        raise UsageError(message("{where} {place}: {said}.", where=where, place=place, said=said)) from None
    own = _DRAFTS_OF.get(engine, OWN_DRAFTS)
    if found.draft in OWN_DRAFTS and found.draft not in own:
        raise UsageError(
            message("{where} draft={draft}: {engine} does not draft so.", where=where, draft=found.draft, engine=engine),
            message("Use draft={own}, or the name of a small model.", own=" or ".join(own)),
        )
    return found


def refuse_options(options: EngineOptions, case: Case) -> None:
    """Raise ``UsageError`` where an encoder is asked for options, all of which are about prompts, caches and answers."""
    if options != EngineOptions():
        raise UsageError(
            message("--engine-option: {workload} encodes texts, and has no cache to set.", workload=case.workload),
            message("Omit it."),
        )


def expected_tokens(acceptance: float, draft_tokens: int) -> float:
    """Return the mean tokens of a verified step: those accepted in a row, and the one that the model itself adds.

    ``(1 - a^(k + 1)) / (1 - a)`` where each of ``k`` drafted tokens is accepted with probability ``a`` (Leviathan et al. 2023,
    equation 1).
    """
    return (1.0 - acceptance ** (draft_tokens + 1)) / (1.0 - acceptance)


def cached_bytes(options: EngineOptions, usual: float) -> float:
    """Return bytes of a cached element: as stated, else ``usual``."""
    return usual if options.kv_cache is None else _KV_BYTES[options.kv_cache]


def adapter_params(model: LanguageModel, *, rank: int) -> float:
    """Return the parameters of one LoRA adapter on the projections of attention, and of the feed-forward part where it is dense.

    ``rank x (inputs + outputs)`` of each matrix (Hu et al. 2021, section 4.1).
    """
    h, queries, keys = model.hidden_size, model.num_heads * model.head_dim, model.num_kv_heads * model.head_dim
    attention = 2 * (h + queries) + 2 * (h + keys)
    dense = 0 if model.num_experts else model.ffn_matrices * (h + model.ffn_size)
    return float(model.num_layers * rank * (attention + dense))


def adapters_in_use(adapters: int, *, sequences: float) -> float:
    """Return how many of equally likely adapters the sequences of a batch use on average."""
    return 0.0 if not adapters else adapters * (1.0 - (1.0 - 1.0 / adapters) ** sequences)


def chunks(input_len: float, options: EngineOptions) -> float:
    """Return the passes in which a prompt's unread tokens are read."""
    return 1.0 if options.chunk_tokens is None else max(1.0, math.ceil(input_len * options.read_share / options.chunk_tokens))


def reasons_of(options: EngineOptions) -> tuple[str, ...]:
    """Return the options as a reason of an answer, nothing where none is set."""
    given = options.model_dump(exclude_defaults=True)
    return (f"engine_options:{','.join(f'{name}={value}' for name, value in given.items())}",) if given else ()
