"""The accelerator that a table's ``gpu`` column means: a spelling of the catalogue, a driver's name, or ``@RUN``."""

from __future__ import annotations

from aigc_bench.catalog.loader import Catalogue
from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.errors import AigcBenchError, UnknownNameError
from aigc_bench.core.messages import message
from aigc_bench.predict.closed_form.columns import NotPredictable
from aigc_bench.predict.machine_card import accelerator_at


def machine_named(name: str, *, catalogue: Catalogue) -> AcceleratorSpec:
    """The accelerator; raises ``NotPredictable`` with the nearest names, or with what the run of an ``@RUN`` lacks."""
    if name.startswith("@"):
        try:
            return accelerator_at(name, catalogue=catalogue)
        except AigcBenchError as problem:
            raise NotPredictable(problem.message) from None
    found = catalogue.published_accelerator(name) or catalogue.recognise(name)
    if found is not None:
        return found
    try:
        return catalogue.accelerator(name)
    except UnknownNameError as problem:
        has_near = (problem.hint or "").startswith("Did you mean")
        hint = problem.hint if has_near else message("A machine of your own is @RUN, a run that holds its probes.")
        raise NotPredictable(f"{problem.message} {hint}") from None
