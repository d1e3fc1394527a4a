"""Data parallelism over the devices of one machine: a case with ``devices = n`` runs as n processes, one per device.

Rank 0 is the trial's worker; it starts the others and alone reads the clock and reports. Every rank runs the same number of
steps: rank 0 decides, and ``agree`` broadcasts the decision between steps, outside the window. Training averages gradients with
torch's DistributedDataParallel; inference runs replicas. Batch size is per device.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from datetime import timedelta

import torch
from torch import distributed

from aigc_bench.core.records import Case
from aigc_bench.measure.followers import Followers, OnLost, RankLost
from aigc_bench.measure.protocol import Emit, TrialRequest

JOIN_TIMEOUT = timedelta(minutes=10)


class Ranks:
    """The processes of one trial, seen from one of them."""

    def __init__(self, *, rank: int, size: int, followers: Followers | None = None) -> None:
        self.rank = rank
        self.size = size
        self._followers = followers

    def through(self, emit: Emit) -> Emit:
        """The sender of this rank's events; of rank 0 it also notes the stages that its followers are held against."""
        return emit if self._followers is None else self._followers.through(emit)

    def agree(self, value: int) -> int:
        """Return rank 0's value in every rank; a single rank returns its own."""
        if self.size == 1:
            return value
        # On the host, by gloo: a broadcast on the device would queue behind its work.
        box = torch.tensor([value], dtype=torch.int64)
        distributed.broadcast(box, src=0, group=_host_group())
        return int(box.item())

    def wrap(self, module: torch.nn.Module) -> torch.nn.Module:
        """The module with averaged gradients, where there are gradients and other ranks."""
        if self.size == 1 or not module.training or not any(p.requires_grad for p in module.parameters()):
            return module
        # Buffers (running statistics) stay each rank's own, which saves a broadcast a step.
        return torch.nn.parallel.DistributedDataParallel(module, broadcast_buffers=False)


ALONE = Ranks(rank=0, size=1)


def _stop(lost: RankLost) -> None:
    """End the process whose ranks are lost, where no other end was named."""
    os._exit(1)


@contextlib.contextmanager
def gather(request: TrialRequest, *, rank: int, port: int | None = None, on_lost: OnLost = _stop) -> Iterator[Ranks]:
    """Join the trial's other ranks (rank 0 starts and watches them), and part from them at the end.

    All leave the group together, while all live: a group that has lost a member may hang on its way out. After an error no rank
    waits for another, and the others are killed. Raises ``RankLost`` where rank 0's error is the echo of another rank's; where
    rank 0 hears nothing, since it waits in a collective, ``on_lost`` is called in a thread.
    """
    case = request.case
    if case.devices == 1:
        yield ALONE
        return
    chosen_port = _free_port() if port is None else port
    followers = Followers(request, port=chosen_port, on_lost=on_lost) if rank == 0 else None
    try:
        _join(case, rank=rank, port=chosen_port)
        yield Ranks(rank=rank, size=case.devices, followers=followers)
        # No rank leaves while another still talks to it.
        distributed.barrier(group=_host_group())
        if followers is not None:
            followers.part_soon()
        distributed.destroy_process_group()
        if followers is not None:
            followers.part()
    except RuntimeError as error:
        # What torch raises of a lost connection; exhausted memory is this rank's own.
        cause = None if followers is None or isinstance(error, torch.OutOfMemoryError) else followers.cause()
        if cause is None:
            raise
        raise cause from error
    finally:
        if followers is not None:
            followers.kill()


def _join(case: Case, *, rank: int, port: int) -> None:
    """Join the process group: gradients use the device's own library, the few messages between steps gloo over the host."""
    backend = "cpu:gloo,cuda:nccl" if case.backend == "cuda" else "gloo"
    store = distributed.TCPStore(  # type: ignore[attr-defined]
        "127.0.0.1", port, world_size=case.devices, is_master=rank == 0, timeout=JOIN_TIMEOUT
    )
    distributed.init_process_group(backend, store=store, rank=rank, world_size=case.devices, timeout=JOIN_TIMEOUT)


def _host_group() -> distributed.ProcessGroup:
    assert distributed.group.WORLD is not None, "the ranks have joined"
    return distributed.group.WORLD


def _free_port() -> int:
    with socket.socket() as probe:
        # Port 0: the kernel picks a free one. Another program may take it in between, which fails the trial and not the run.
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
