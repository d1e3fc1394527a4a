"""Bits of a weight by module: what a quantization leaves in 16 bits, or packs otherwise than most of the model.

    module_bits({"modules_to_not_convert": ["lm_head", "self_attn"]}, packed=8.0).of(("layers.0.self_attn.q_proj",))   # 16.0

Tools write it as names (transformers, vLLM), wildcards (ModelOpt) or expressions behind ``re:`` (compressed-tensors), in lists of
what is left out, of what is packed, or of formats layer by layer. Names are compared without what stands before ``layers.N``, which
differs between files of the same model.
"""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aigc_bench.core.record import Record

WIDE = 16.0
"""Bits of a weight that is not packed."""
_LISTS = (
    "modules_to_not_convert", "ignored_layers", "ignore", "exclude_modules", "exclude", "llm_int8_skip_modules", "skip_modules",
)  # fmt: skip
"""Keys that list what stays in 16 bits: of transformers, vLLM, compressed-tensors, ModelOpt, Quark, bitsandbytes and HQQ."""
_MOST_RULES = 100_000
"""Formats of DeepSeek's 58 x 256 experts are listed one by one, three matrices each, as 44,544 names."""
_LONGEST = 300
_MOST_STARS = 3
"""Repetitions of an expression: with more, a file could make the search last for hours."""
_PREFIX = re.compile(r"^(?:\^?(?:model|language_model|transformer|backbone|decoder|module)\.)+")
_EXPERT = re.compile(r"\bexperts\.\d+(?=\.|$)")
_CLASSES = re.compile(r"[A-Z]\w*")
"""Targets that name a class of layers (``Linear``) mean all of them."""
_SPELLINGS = ("model.{0}", "{0}", "model.language_model.{0}", "language_model.model.{0}")


class ModuleBits(Record):
    """Bits by the first rule that a module's name meets, else ``otherwise``. ``num_unread`` rules are of no form that is read."""

    names: Mapping[str, float] = {}
    wildcards: tuple[tuple[str, float], ...] = ()
    expressions: tuple[tuple[str, float], ...] = ()
    otherwise: float
    packs_head: bool = False
    num_unread: int = 0

    @property
    def is_uniform(self) -> bool:
        """Whether every module has the same bits."""
        return not (self.names or self.wildcards or self.expressions)

    def of(self, spellings: Sequence[str]) -> float:
        """Return the bits of a module by any of the names that files have for it: ``layers.0.mlp.experts``."""
        found = [bits for one in spellings if (bits := self._found(one)) is not None]
        # What is left out of one list stays out, whatever a wider rule packs.
        return max(found, default=self.otherwise)

    def _found(self, name: str) -> float | None:
        parts = name.split(".")
        runs = (".".join(parts[first:last]) for first in range(len(parts)) for last in range(len(parts), first, -1))
        named = [self.names[run] for run in runs if run in self.names]
        full = [spelling.format(name) for spelling in _SPELLINGS]
        named += [bits for text, bits in self.wildcards if any(_wildcard(text)(one) for one in full)]
        named += [bits for text, bits in self.expressions if any(_expression(text)(one) for one in full)]
        return max(named, default=None)


def module_bits(table: Mapping[str, Any], *, packed: float, formats: Callable[[Any], float | None] = lambda _: None) -> ModuleBits:
    """Return the bits by module of a quantization's table, ``packed`` those of what is quantized.

    ``formats`` gives the bits of one layer's own table, of files that state them layer by layer.
    """
    rules = [(pattern, WIDE) for pattern in _left_out(table)]
    layers = table.get("quantized_layers")
    targets: list[tuple[str, float]] = [("experts", packed)] if table.get("quant_method") == "mxfp4" else []
    if isinstance(layers, Mapping):
        targets = [(str(name), formats(own) or packed) for name, own in layers.items()]
    elif isinstance(groups := table.get("config_groups"), Mapping):
        targets = [rule for group in groups.values() for rule in _targets(group, formats, packed)]
    # Where layers are named, all others stay as they were; transformers packs nothing but experts in MXFP4.
    return _made([*rules, *targets], otherwise=WIDE if targets else packed, packs_head=_packs_head(table))


def _left_out(table: Mapping[str, Any]) -> list[str]:
    listed = [one for key in _LISTS for one in _texts(table.get(key))]
    own = table.get("extra_config")
    if isinstance(own, Mapping):
        # AutoRound writes the bits of each layer that differs.
        listed += [str(name) for name, of in own.items() if isinstance(of, Mapping) and _is_wide(of.get("bits"))]
    dynamic = table.get("dynamic")
    if isinstance(dynamic, Mapping):
        # GPTQModel: "-:" in front of an expression leaves the layers out.
        listed += [f"re:{str(key)[2:]}" for key in dynamic if str(key).startswith("-:")]
    return listed


def _is_wide(bits: Any) -> bool:
    return isinstance(bits, int | float) and bits >= WIDE


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str) and one] if isinstance(value, list) else []


def _targets(group: Any, formats: Callable[[Any], float | None], packed: float) -> list[tuple[str, float]]:
    """The layers that a group of compressed-tensors names; none where it names a class."""
    named = _texts(group.get("targets")) if isinstance(group, Mapping) else []
    if any(_CLASSES.fullmatch(one) for one in named):
        return []
    return [(one, formats(group) or packed) for one in named]


def _packs_head(table: Mapping[str, Any]) -> bool:
    """Whether the output head is packed like the layers, which GPTQ and AutoRound state by a switch of their own."""
    return table.get("lm_head") is True or table.get("quant_lm_head") is True


def _made(rules: Sequence[tuple[str, float]], *, otherwise: float, packs_head: bool) -> ModuleBits:
    names: dict[str, float] = {}
    wildcards: dict[str, float] = {}
    expressions: dict[str, float] = {}
    unread = max(0, len(rules) - _MOST_RULES)
    for text, bits in rules[:_MOST_RULES]:
        if len(text) > _LONGEST:
            unread += 1
        elif text.startswith("re:"):
            if _is_harmless(text[3:]):
                expressions.setdefault(text[3:], bits)
            else:
                unread += 1
        elif "*" in text or "?" in text:
            if text.count("*") <= _MOST_STARS:
                wildcards.setdefault(_bare(text), bits)
            else:
                unread += 1
        else:
            names.setdefault(_bare(text), bits)
    return ModuleBits(
        names=names, wildcards=tuple(wildcards.items()), expressions=tuple(expressions.items()), otherwise=otherwise,
        packs_head=packs_head, num_unread=unread,
    )  # fmt: skip


def _bare(text: str) -> str:
    return _EXPERT.sub("experts", _PREFIX.sub("", text).strip("."))


def _is_harmless(expression: str) -> bool:
    """Whether an expression compiles and cannot search for long: few repetitions, and none of a group or a back-reference."""
    if len(re.findall(r"[*+}]", expression)) > _MOST_STARS or re.search(r"\)[*+{]|\\[1-9]|\(\?", expression):
        return False
    try:
        re.compile(expression)
    except re.error:
        return False
    return True


@functools.lru_cache(maxsize=1024)
def _wildcard(text: str) -> Callable[[str], object]:
    # A module is left out with all that is inside of it.
    return re.compile(f"{fnmatch.translate(text)}|{fnmatch.translate(f'{text}.*')}").match


@functools.lru_cache(maxsize=1024)
def _expression(text: str) -> Callable[[str], object]:
    # compressed-tensors matches from the start of a name (utils/match.py).
    return re.compile(text).match
