"""Check the arguments of the Python API: a wrong type or choice is one ``UsageError`` before anything is done.

``checked`` reads the annotations of a function and knows one rule for each of them, so that no parameter is without one.
"""

from __future__ import annotations

import functools
import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, get_args

from aigc_bench.core.errors import AigcBenchError, UsageError, options_are_flags
from aigc_bench.core.messages import message
from aigc_bench.core.pipeline import Cache, Pipeline
from aigc_bench.core.records import Mode
from aigc_bench.core.system_errors import in_one_line
from aigc_bench.measure.profiles import Level, Profile
from aigc_bench.measure.store import Run
from aigc_bench.predict.query import Query

Rule = Callable[[Any, str], Any]
"""Return the value as the function takes it, or raise ``UsageError``; the text names the argument."""
Changes = Mapping[str, object] | str | Sequence[str]
"""Keys of a demand with their new values, as a mapping or as texts ``KEY=VALUE``."""
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def checked(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Check each argument by its annotation, and let every expected error be an ``AigcBenchError``; a decorator.

    A missing or surplus argument stays Python's own ``TypeError``. A lone name, path or run is a sequence of one.
    """
    signature = inspect.signature(function)
    # Keywords that are gathered (Unpack[...]) are the fields of a Query, which checks them itself.
    gathered = next((name for name, one in signature.parameters.items() if one.kind is one.VAR_KEYWORD), None)
    rules = {name: RULES[str(one.annotation)] for name, one in signature.parameters.items() if name != gathered}
    several = {name for name, one in signature.parameters.items() if one.kind is one.VAR_POSITIONAL}

    @functools.wraps(function)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:
            return function(*args, **kwargs)  # raises it again, with the function's name
        for name in bound.arguments.keys() - {gathered}:
            where, value = f"{function.__name__}: {name}", bound.arguments[name]
            rule = rules[name]
            bound.arguments[name] = tuple(rule(one, where) for one in value) if name in several else rule(value, where)
        try:
            return function(*bound.args, **bound.kwargs)
        except AigcBenchError as problem:
            if options_are_flags.get() or "--" not in f"{problem.message}{problem.hint}":
                raise
            raise _in_keywords(problem, function.__name__) from None
        except OSError as problem:
            if options_are_flags.get():
                raise
            raise AigcBenchError(in_one_line(problem)) from problem

    return call


def _wrong(where: str, allowed: str, value: object) -> UsageError:
    # The type and never the value: its repr may be a whole data frame.
    given = "None" if value is None else type(value).__name__
    return UsageError(message("{where} takes {allowed}, not {given}.", where=where, allowed=allowed, given=given))


def _is_a(kinds: type | tuple[type, ...], allowed: str) -> Rule:
    def rule(value: Any, where: str) -> Any:
        # A bool is an int to Python, and no number to a reader.
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise _wrong(where, allowed, value)
        return value

    return rule


def _optional(rule: Rule) -> Rule:
    return lambda value, where: None if value is None else rule(value, where)


def _each(rule: Rule, *, alone: type | tuple[type, ...], allowed: str) -> Rule:
    def check(value: Any, where: str) -> tuple[Any, ...]:
        if isinstance(value, alone):
            return (rule(value, where),)
        # bytes are numbers when they are iterated, a mapping gives its keys and a frame its columns.
        if not isinstance(value, Iterable) or isinstance(value, str | bytes | Mapping) or hasattr(value, "columns"):
            raise _wrong(where, allowed, value)
        return tuple(rule(one, where) for one in value)

    return check


def _number(kind: type, low: float, high: float) -> Rule:
    is_number = _is_a(kind, message("a whole number") if kind is Integral else message("a number"))

    def rule(value: Any, where: str) -> Any:
        # NaN is in no range.
        if not low <= is_number(value, where) <= high:
            raise UsageError(
                message("{where} is {value:g}: it must be from {low:g} to {high:g}.", where=where, value=value, low=low, high=high)
            )
        return value

    return rule


def _choice(choices: tuple[str, ...]) -> Rule:
    allowed = " or ".join(repr(one) for one in choices)
    is_text = _is_a(str, allowed)

    def rule(value: Any, where: str) -> Any:
        if is_text(value, where) not in choices:
            raise UsageError(message("{where} is {value!r}: it must be {allowed}.", where=where, value=value, allowed=allowed))
        return value

    return rule


def key_values(changes: Changes) -> tuple[str, ...]:
    """Return each change as ``KEY=VALUE``, the values of a mapping as TOML has them."""
    if isinstance(changes, Mapping):
        return tuple(f"{key}={_toml(value)}" for key, value in changes.items())
    return (changes,) if isinstance(changes, str) else tuple(changes)


def _changes(value: Any, where: str) -> Any:
    allowed = message("a mapping of keys to values, or texts KEY=VALUE")
    return value if isinstance(value, Mapping) else _each(_TEXT, alone=str, allowed=allowed)(value, where)


def _toml(value: object) -> str:
    # A string, a bool and a list of JSON are those of TOML; a number is written as Python has it.
    return json.dumps(value) if isinstance(value, str | bool | list) else str(value)


def _day(value: Any, where: str) -> date | None:
    if value is not None and not isinstance(value, date):
        raise _wrong(where, message("a datetime.date"), value)
    return value.date() if isinstance(value, datetime) else value


def _demand(value: Any, where: str) -> Any:
    from aigc_bench.plan.records.demand import Demand

    return _is_a((str, Path, Demand), message("the path of a demand file or a Demand"))(value, where)


def _plan(value: Any, where: str) -> Any:
    from aigc_bench.plan.records.plan import Plan

    return _is_a(Plan, message("what ab.plan returned"))(value, where)


def _predictions(value: Any, where: str) -> Any:
    from aigc_bench.predict.predicted import Predictions

    return _is_a(Predictions, message("what ab.predict returned"))(value, where)


def _path(value: Any, where: str) -> Any:
    if not isinstance(value, str | Path):
        problem = _wrong(where, message("a path"), value)
        # What has it is a frame of pandas or a library like it.
        hint = message("Write it first: frame.to_csv('own.csv', index=False).") if hasattr(value, "to_csv") else None
        raise UsageError(problem.message, hint)
    return value


def _callable(value: Any, where: str) -> Any:
    if not callable(value):
        raise _wrong(where, message("a function"), value)
    return value


_TEXT = _is_a(str, message("a text"))
_RUN = _is_a((str, Path, Run), message("a run or the path of its directory"))
_PIPELINE = _is_a(Pipeline, message("what aigc_bench.api.pipelines returned"))
_PROFILE = _is_a((str, Path, Profile), message("the name of a profile, the path of its file, or a Profile"))

RULES: Mapping[str, Rule] = {
    "Path | str": _path,
    "Path | str | None": _optional(_path),
    "Path | str | Sequence[Path | str]": _each(_path, alone=(str, Path), allowed=message("a path or a sequence of paths")),
    "str": _TEXT,
    "str | None": _optional(_TEXT),
    "str | Sequence[str]": _each(_TEXT, alone=str, allowed=message("a text or a sequence of texts")),
    "Changes": _changes,
    "Mapping[str, Setting] | None": _optional(_is_a(Mapping, message("a mapping of names to values"))),
    # Seeds are those that torch's generator takes.
    "int": _number(Integral, 0, 2**63 - 1),
    "Sequence[int]": _each(_number(Integral, 0, 1_000_000), alone=int, allowed=message("a sequence of whole numbers")),
    "float | None": _optional(_number(Real, 0, 1e10)),
    "Level | None": _optional(_choice(get_args(Level))),
    "Literal['max-batch'] | None": _optional(_choice(("max-batch",))),
    "Sequence[Mode]": _each(_choice(get_args(Mode)), alone=str, allowed=message("a mode or a sequence of modes")),
    "Sequence[Cache]": _each(_choice(get_args(Cache)), alone=str, allowed=message("a state or a sequence of states")),
    "date | None": _day,
    "RunOrPath": _RUN,
    "RunOrPath | None": _optional(_RUN),
    "RunOrPath | Sequence[RunOrPath]": _each(_RUN, alone=(str, Path, Run), allowed=message("a run or a sequence of runs")),
    "Sequence[Pipeline]": _each(_PIPELINE, alone=Pipeline, allowed=message("what aigc_bench.api.pipelines returned")),
    "str | Path | Profile": _PROFILE,
    "str | Path | Profile | None": _optional(_PROFILE),
    "Query | str": _is_a((str, Query), message("the name of a workload or a Query")),
    "Path | str | Demand": _demand,
    "Path | str | Demand | None": _optional(_demand),
    "Plan": _plan,
    "Predictions": _predictions,
    "Callable[[events.Progress], None]": _callable,
}
"""Annotation of a parameter -> its rule."""

_KEYWORDS = {
    "accelerator": "accelerators", "budget": "budget_s", "change": "changes", "engine-option": "engine_options",
    "max-latency": "max_latency_s", "quote": "quotes", "rate": "rate_per_s", "requests": "num_requests", "resume": "ab.resume",
    "rows": "rows_out", "run": "runs", "scenario": "load", "slo-latency": "slo_latency_s", "slo-tpot": "slo_tpot_s",
    "slo-ttft": "slo_ttft_s",
}  # fmt: skip
"""Flag of the command line -> keyword of the function, where they differ in more than their hyphens."""
_FLAG = re.compile(r"(?<![\w-])--([a-z][a-z-]*[a-z])\b(?:(?<=scenario) server)?")
# In backticks, or after the program's name: a command to type.
_COMMAND = re.compile(r"(`[^`]*`|aigc-bench [a-z].*$)")


def _in_keywords(problem: AigcBenchError, function: str) -> AigcBenchError:
    """Return the error with the keywords of a function instead of the command line's flags."""
    # --set changes a demand of a plan, and the settings of a family elsewhere.
    keywords = {**_KEYWORDS, "set": "changes" if function == "plan" else "settings"}

    def named(text: str) -> str:
        parts = _COMMAND.split(str(text))
        return "".join(
            part if place % 2 else _FLAG.sub(lambda flag: keywords.get(flag[1], flag[1].replace("-", "_")), part)
            for place, part in enumerate(parts)
        )

    problem.message, problem.hint = named(problem.message), named(problem.hint) if problem.hint is not None else None
    return problem
