"""Hardware that is there already, and what a plan does with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Estimate, Record

Decision = Literal["keep", "retire"]


class Owned(Record):
    """Machines that are there already: ``num_accelerators`` in servers of ``per_server``, bought in ``year``.

    ``book_value_usd`` is what they are worth in the books, all of them together.
    """

    accelerator: str
    num_accelerators: int = Field(ge=1)
    per_server: int = Field(ge=1)
    server: str | None = None
    year: int
    book_value_usd: float | None = Field(default=None, ge=0)

    @property
    def num_servers(self) -> int:
        """Return the servers that are there."""
        return self.num_accelerators // self.per_server


class OwnedFleet(Record):
    """What is done with one kind of owned machines, and why.

    ``share`` of the demand's ``loads`` is carried by them, where their ``needed_servers`` (without spares) would carry all of it;
    ``reasons`` say which loads they do not carry. ``running_usd_per_year`` is their electricity, ``resale_usd`` what they bring
    today and ``later_usd`` at the end of the plan's life, ``write_off_usd`` what the books lose where they are retired now.
    ``anew_usd`` is the cost of the same share on the best new machines, over the life.
    """

    owned: Owned
    decision: Decision
    what: Sentence
    loads: tuple[str, ...] = ()
    share: float = Field(default=0.0, ge=0, le=1)
    needed_servers: int | None = None
    setting: str | None = None
    running_usd_per_year: Estimate | None = None
    resale_usd: Estimate
    later_usd: Estimate
    write_off_usd: float | None = None
    anew_usd: Estimate | None = None
    reasons: tuple[Sentence, ...] = ()


class OwnedPlan(Record):
    """The owned machines of a demand, and the two courses: keep them and add what is missing, or replace all of them.

    ``is_complete``: what is kept carries the whole demand with its spares, so the recommendation is to add nothing. Costs are over
    the life of new servers: ``keep_usd`` of what is kept and added, less resale at the end; ``replace_usd`` of new machines
    alone, less today's resale; ``new_usd`` before it. ``questions`` are to be settled. ``num_kept`` servers stay.
    """

    fleets: tuple[OwnedFleet, ...]
    is_complete: bool
    num_kept: int
    kept: Mapping[str, float] = Field(default_factory=dict)
    keep_usd: Estimate | None
    replace_usd: Estimate | None
    new_usd: Estimate | None = None
    replace_by: Sentence | None = None
    verdict: Sentence
    questions: tuple[Sentence, ...] = ()
