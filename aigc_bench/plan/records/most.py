"""The most that the limits of a demand carry."""

from __future__ import annotations

from collections.abc import Mapping

from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Record


class MostRequests(Record):
    """How many times the stated demand the limits carry: ``scale``, with requests/s at the peak and users by service.

    At ``next_scale`` no option is accepted any more, for ``binding``, the reasons of those that come nearest. ``limits`` are the
    limits in words, ``left_out`` the kinds of procurement that none of them bounds.
    """

    scale: float
    next_scale: float
    peak_requests_per_s: Mapping[str, float]
    users: Mapping[str, float]
    limits: tuple[Sentence, ...]
    binding: tuple[Sentence, ...] = ()
    left_out: tuple[Sentence, ...] = ()
    verdict: Sentence
