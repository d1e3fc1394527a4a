"""Unknown names in a table: one line with the nearest ones, as a reason that ``validate`` counts."""

from __future__ import annotations

from collections.abc import Iterable

from aigc_bench.core.errors import UnknownNameError
from aigc_bench.predict.closed_form.columns import NotPredictable
from aigc_bench.predict.closed_form.step_rows import FAMILIES
from aigc_bench.predict.language.named import language_named
from aigc_bench.predict.published.name_resolution import format_names, language_models, resolve_format
from aigc_bench.predict.published.row import PublishedQuery
from aigc_bench.workloads._language_presets import language_presets

LONGEST_LIST = 12
"""Names that are listed where none is near."""


def unknown_name(kind: str, name: str, *, known: Iterable[str]) -> str:
    """``unknown model 'x'. Did you mean y?``; where nothing is near, all names if they are few."""
    choices = list(known)
    problem = UnknownNameError(kind, name, known=choices)
    has_near = (problem.hint or "").startswith("Did you mean")
    return str(problem) if has_near or len(choices) <= LONGEST_LIST else problem.message


def refuse_unknown_names(query: PublishedQuery) -> None:
    """Raise ``NotPredictable`` where a row names a family, a number format or a language model that there is not."""
    if query.family not in ("multimodal-llm", *FAMILIES):
        raise NotPredictable(unknown_name("family", query.family, known=("multimodal-llm", *FAMILIES)))
    if query.precision and resolve_format(query.precision) is None:
        raise NotPredictable(unknown_name("precision", query.precision, known=format_names()))
    if query.family in ("llm", "multimodal-llm") and language_named(query.model) is None:
        raise NotPredictable(unknown_name("model", query.model, known={**language_models(), **language_presets()}))
