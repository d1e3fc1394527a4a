"""What every record is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A frozen record that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Measured(Record):
    """A record of what was measured: no number of it is NaN or infinite."""

    model_config = ConfigDict(allow_inf_nan=False)
