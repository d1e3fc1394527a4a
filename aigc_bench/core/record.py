"""What every record is."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetPydanticSchema

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


def _or_message(_: Any, handler: GetCoreSchemaHandler) -> Any:
    from pydantic_core import core_schema

    # A union and no validator in Python: a plan makes tens of thousands of Estimates, each with a source.
    return core_schema.union_schema([core_schema.is_instance_schema(Message), handler(str)], mode="left_to_right")


Sentence = Annotated[str, GetPydanticSchema(_or_message)]
"""A field of a record that may hold a message; pydantic would make plain text of it."""
