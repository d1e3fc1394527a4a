"""The input of a prediction as one record: the work, how it is executed, and the load that it serves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypedDict, Unpack

from pydantic import BaseModel, Field, ValidationError

from aigc_bench.core.errors import UnknownNameError, UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.numbers import MOST_DEVICES, MOST_ITEMS, MOST_REQUESTS, MOST_SEED
from aigc_bench.core.records import Mode, Record, Setting
from aigc_bench.core.toml_file import Mistake, distinct_mistakes

_Name = Annotated[str, Field(min_length=1)]
"""Of an engine or a format: an empty one would silently be the default."""


class RequestLoad(Record):
    """The requests of a service and the SLO that they must keep.

    ``lengths`` is ``INPUT/OUTPUT`` in tokens, each as ``serving.lengths.parse_length`` reads it. ``percentile`` is the share of
    requests, in per cent, that keeps each bound of the SLO. ``trace`` is a CSV file of requests; without a ``rate_per_s`` its own
    moments are used.
    """

    rate_per_s: float | None = None
    slo_ttft_s: float | None = None
    slo_tpot_s: float | None = None
    slo_latency_s: float | None = None
    percentile: float = 99.0
    lengths: str | None = None
    trace: Path | None = None
    num_requests: Annotated[int, Field(ge=1, le=MOST_REQUESTS)] | None = None
    seed: Annotated[int, Field(ge=0, le=MOST_SEED)] = 0


class QueryFields(TypedDict, total=False):
    """The fields of a ``Query`` as keywords of ``predict``."""

    model: Path | str | None
    changes: Mapping[str, Setting]
    mode: Mode
    engine: str | None
    precision: str | None
    batch_size: int | None
    devices: int
    parallel: str | None
    settings: Mapping[str, Setting]
    engine_options: Mapping[str, Setting]
    load: RequestLoad | Mapping[str, object] | None


class Query(Record):
    """What is predicted: ``what`` is ``WORKLOAD[/PRESET]`` or a model by its common name, ``model`` a user's own instead.

    ``model`` is a config.json, a folder or ``module:function``; ``changes`` override keys of its config.json. ``engine`` is
    ``torch-eager`` by default. ``precision`` is bf16, and fp32 on a CPU, by default; served engines also know fp8, fp4, int8 and
    int4. ``batch_size`` is 1 by default; a served engine takes it as the requests in flight, under a ``load`` as their maximum.
    ``devices`` are all accelerators in use, ``parallel`` (``tp=4,pp=2``) those of one replica. ``settings`` are the family's own,
    such as ``prompt_len``, ``engine_options`` those of a served engine (``closed_form.engine_options``). With a ``load`` the
    metrics are those of a service under these requests.
    """

    what: str = ""
    model: Path | str | None = None
    changes: Mapping[str, Setting] = Field(default_factory=dict)
    mode: Mode = "infer"
    engine: _Name | None = None
    precision: _Name | None = None
    batch_size: Annotated[int, Field(ge=1, le=MOST_ITEMS)] | None = None
    devices: Annotated[int, Field(ge=1, le=MOST_DEVICES)] = 1
    parallel: str | None = None
    settings: Mapping[str, Setting] = Field(default_factory=dict)
    engine_options: Mapping[str, Setting] = Field(default_factory=dict)
    load: RequestLoad | None = None

    def __init__(self, what: str = "", **fields: Unpack[QueryFields]) -> None:
        """Make the query of these fields; raises ``UsageError`` that names the field which is unknown or out of range."""
        unknown = sorted({*fields} - {*type(self).model_fields})
        if unknown:
            raise UnknownNameError(message("field"), unknown[0], known=type(self).model_fields, where="predict")
        try:
            # Checked for unknown names above: pydantic's own message would not suggest the nearest.
            BaseModel.__init__(self, what=what, **fields)
        except ValidationError as problem:
            raise _named_mistake(distinct_mistakes(problem, fields)[0]) from None

    @property
    def title(self) -> str:
        """Return the name of the work, for headings."""
        return str(self.model) if self.model is not None else self.what


def _named_mistake(found: Mistake) -> UsageError:
    place = ".".join(map(str, found.place)) or "what"
    if found.kind == "extra_forbidden":
        return UnknownNameError(
            message("field"), place.rpartition(".")[2], known=RequestLoad.model_fields, where=message("predict: load")
        )
    # A wrong value may be anything, a whole file's text included; a table of a file is a mapping here.
    value, words = str(found.value)[:60], found.words.replace("a table", "a mapping")
    return UsageError(message("predict: {place} is {value!r}: {words}.", place=place, value=value, words=words))
