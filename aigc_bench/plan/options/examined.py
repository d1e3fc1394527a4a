"""What a search for options has found: the options, and what never became one."""

from __future__ import annotations

from dataclasses import dataclass

from aigc_bench.plan.records.loads import Unplanned
from aigc_bench.plan.records.plan import Option, Refusal


@dataclass(frozen=True, kw_only=True)
class Examined:
    """Options without a rank, loads that no host can carry, hosts without an option, and how many settings were compared."""

    options: tuple[Option, ...]
    unplanned: tuple[Unplanned, ...] = ()
    refused: tuple[Refusal, ...] = ()
    num_candidates: int = 0
