"""What every record is."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WrapValidator

from aigc_bench.core.messages import Message


class Record(BaseModel):
    """A frozen record that refuses unknown fields."""

    # protected_namespaces: pydantic warns of fields that begin with model_.
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


Quantity = Annotated[float, Field(ge=-1e30, le=1e30)]
"""A number that was measured, within the limits of ``core.numbers``."""


class Measured(Record):
    """A record of what was measured: no number of it is NaN or infinite."""

    model_config = ConfigDict(allow_inf_nan=False)


def _unchanged(text: Any, validate: Any) -> Any:
    return text if isinstance(text, Message) else validate(text)


Sentence = Annotated[str, WrapValidator(_unchanged)]
"""A field of a record that may hold a message; pydantic would make plain text of it."""
