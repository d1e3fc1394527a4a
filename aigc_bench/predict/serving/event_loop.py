"""Plays requests against the replicas of a server and keeps what happened, request by request and stretch by stretch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.predict.serving.replica import Book, Replica, Stretch
from aigc_bench.predict.serving.request_arrivals import Requests
from aigc_bench.predict.serving.server_model import ServerModel

Column = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class History:
    """What happened. Columns over the served requests in order of arrival, in seconds; and over the stretches of all replicas.

    ``stretches`` has a column per field of ``Stretch``. ``gaps_s`` are ITLs over a preemption. ``early_wait_s`` is the time that
    requests waited for a step under way, in no stretch's count of waiting requests.
    """

    arrival_s: Column
    admitted_s: Column
    first_token_s: Column
    finish_s: Column
    input_tokens: Column
    output_tokens: Column
    replica: NDArray[np.int64]
    num_preemptions: int
    refused_s: Column
    """Moments of arrival of requests too long for the KV cache, which are turned away."""
    stretches: dict[str, Column]
    gaps_s: Column
    early_wait_s: float


def play(server: ServerModel, requests: Requests) -> History:
    """Run every request to its end. Raises ``UsageError`` where none of them fits into the KV cache."""
    book = _open_book(requests)
    # Once for all replicas: a look-up instead of an interpolation in each step.
    token_s = server.step_time.table_s(server.max_num_batched_tokens)
    replicas = [Replica(server, index=index, book=book, token_s=token_s) for index in range(server.replicas)]
    served = np.array(
        [server.fits(inputs, output_tokens=outputs) for inputs, outputs in zip(book.input_tokens, book.output_tokens, strict=True)]
    )
    if not served.any():
        hint = message("Use shorter requests or more memory per replica.")
        raise UsageError(
            message(
                "No request fits into a KV cache of {kv_capacity_tokens:,} tokens.", kv_capacity_tokens=server.kv_capacity_tokens
            ),
            hint,
        )
    queue = np.flatnonzero(served).tolist()
    if requests.concurrency is not None:
        _play_closed(replicas, queue=queue, book=book, concurrency=requests.concurrency)
    elif server.routing == "join_shortest_queue" and len(replicas) > 1:
        _play_shortest_queue(replicas, queue=queue, book=book)
    else:
        for position, request in enumerate(queue):
            # Round robin needs no clock, so each replica runs through on its own.
            replicas[position % len(replicas)].offer(request)
        for replica in replicas:
            replica.advance()
    return _close_book(book, replicas=replicas, served=served)


def _play_shortest_queue(replicas: list[Replica], *, queue: list[int], book: Book) -> None:
    """Each request goes to the replica with the fewest in its system at that moment, the first of equals."""
    for request in queue:
        arrival_s = book.arrival_s[request]
        for replica in replicas:
            # All replicas must have reached this moment before their queues are compared.
            replica.advance(arrival_s)
        min(replicas, key=lambda replica: replica.num_in_system(arrival_s)).offer(request)
    for replica in replicas:
        replica.advance()


def _play_closed(replicas: list[Replica], *, queue: list[int], book: Book, concurrency: int) -> None:
    """Clients stay with their replica, which deals them requests in turn: the next one comes when one is answered."""
    # Fewer clients than replicas leave some idle.
    with_clients = replicas[:concurrency]
    for replica in with_clients:
        upcoming: Iterator[int] = iter(queue[replica.index :: len(with_clients)])
        # Clients are dealt round robin; the first replicas get one more where it does not divide.
        num_clients = len(range(replica.index, concurrency, len(with_clients)))
        for request in islice(upcoming, num_clients):
            replica.offer(request)
        # One stretch at a time: ends decide when the next requests come.
        while replica.advance(max_stretches=1):
            for _ in replica.finished:
                following = next(upcoming, None)
                if following is not None:
                    book.arrival_s[following] = replica.clock_s
                    replica.offer(following)


def _open_book(requests: Requests) -> Book:
    count = len(requests)
    unknown = [float("nan")] * count
    return Book(
        input_tokens=requests.input_tokens.tolist(),
        output_tokens=requests.output_tokens.tolist(),
        arrival_s=requests.arrival_s.tolist(),
        admitted_s=unknown.copy(),
        first_token_s=unknown.copy(),
        finish_s=unknown.copy(),
        replica=[0] * count,
        num_preemptions=[0] * count,
        gaps_s=[],
    )


def _close_book(book: Book, *, replicas: list[Replica], served: NDArray[np.bool_]) -> History:
    arrival_s = np.array(book.arrival_s)
    # Closed arrivals are known only afterwards, and not in the order of the queue.
    order = np.flatnonzero(served)[np.argsort(arrival_s[served], kind="stable")]
    finish_s = np.array(book.finish_s)[order]
    assert not np.isnan(finish_s).any(), "every request that is admitted is served to its end"
    rows = [stretch for replica in replicas for stretch in replica.stretches]
    table = np.array(rows, dtype=float).reshape(-1, len(Stretch._fields))
    return History(
        arrival_s=arrival_s[order],
        admitted_s=np.array(book.admitted_s)[order],
        first_token_s=np.array(book.first_token_s)[order],
        finish_s=finish_s,
        input_tokens=np.array(book.input_tokens, dtype=float)[order],
        output_tokens=np.array(book.output_tokens, dtype=float)[order],
        replica=np.array(book.replica)[order],
        num_preemptions=sum(book.num_preemptions),
        refused_s=arrival_s[~served],
        stretches={name: table[:, column] for column, name in enumerate(Stretch._fields)},
        gaps_s=np.array(book.gaps_s),
        early_wait_s=sum(replica.early_wait_s for replica in replicas),
    )
