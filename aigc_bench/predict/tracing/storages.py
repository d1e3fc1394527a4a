"""The memory of ``meta`` tensors: which storages are alive, how many bytes they would be, and what they belong to."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from aigc_bench.predict.tracing.caching_allocator import Event

Role = Literal["", "param", "buffer", "cache", "gradient", "optimizer"]

BUILD = -1
"""The epoch of what is made before the first stage."""


@dataclass(kw_only=True)
class _Entry:
    num_bytes: int
    epoch: int
    role: Role
    owner: int = 0


class Storages:
    """Counts storages from when they are first seen until they are freed.

    ``epoch`` is the stage under way; ``current`` and ``peak`` are bytes, without optimizer state, which is counted for
    itself: it is made in the first step only and lives on.
    """

    def __init__(self) -> None:
        self._entries: dict[int, _Entry] = {}
        self._num_seen = 0
        self.epoch = BUILD
        self.default_role: Role = ""
        self.current = 0
        self.peak = 0
        self.built_peak = 0
        """``peak`` at the end of the build."""
        self.history: list[tuple[int, Event]] = []
        """What was made and freed, in order, each with its epoch."""

    @property
    def num_built(self) -> int:
        """How many events of the history belong to building the program."""
        return sum(epoch == BUILD for epoch, _ in self.history)

    def add(self, tensor: torch.Tensor) -> bool:
        """Count the tensor's storage if it is new; returns whether it was."""
        storage = tensor.untyped_storage()
        # Address of the StorageImpl: unique while the storage lives, and popped in ``_forget`` before it is reused.
        identity = storage._cdata
        if identity in self._entries:
            return False
        entry = _Entry(num_bytes=storage.nbytes(), epoch=self.epoch, role=self.default_role)
        self._entries[identity] = entry
        entry.owner = self._num_seen = self._num_seen + 1
        self.history.append((self.epoch, Event(owner=entry.owner, num_bytes=entry.num_bytes)))
        # Not at exit: the interpreter would call back thousands of times for memory that goes anyway.
        weakref.finalize(storage, self._forget, identity).atexit = False
        if entry.role != "optimizer":
            self.current += entry.num_bytes
            self.peak = max(self.peak, self.current)
        return True

    def _forget(self, identity: int) -> None:
        entry = self._entries.pop(identity)
        self.history.append((self.epoch, Event(owner=entry.owner, num_bytes=None)))
        if entry.role != "optimizer":
            self.current -= entry.num_bytes

    def role(self, tensor: torch.Tensor) -> Role:
        """What the tensor's storage belongs to; empty for activations."""
        entry = self._entries.get(tensor.untyped_storage()._cdata)
        return "" if entry is None else entry.role

    def assign(self, tensor: torch.Tensor, role: Role) -> None:
        """Say what the tensor's storage belongs to."""
        self.add(tensor)
        entry = self._entries[tensor.untyped_storage()._cdata]
        # Python's chain: role is "optimizer" and the entry's is not yet. Its bytes leave ``current`` from here on.
        if role == "optimizer" != entry.role:
            self.current -= entry.num_bytes
        entry.role = role

    def is_kept(self, tensor: torch.Tensor) -> bool:
        """Whether it was made at build, and so lives between steps."""
        entry = self._entries.get(tensor.untyped_storage()._cdata)
        return entry is not None and entry.epoch == BUILD

    def restart(self) -> None:
        """Let the peak start from what is alive now."""
        self.peak = self.current

    def num_bytes(self, *, role: Role | None = None, epoch: int | None = None) -> int:
        """Bytes alive of one role or made in one epoch, optimizer state left out by default."""
        entries = (entry for entry in self._entries.values() if (entry.role if role is None else role) == entry.role)
        chosen = (entry for entry in entries if (entry.epoch if epoch is None else epoch) == entry.epoch)
        return sum(entry.num_bytes for entry in chosen if role == "optimizer" or entry.role != "optimizer")

    def steps(self, *, num_steps: int) -> Iterator[Event]:
        """The history of ``num_steps`` steps, of which the one that was traced is the first.

        What a step leaves behind is freed in the next one, at the end of the stage that makes it anew; optimizer state is
        made once.
        """
        made = {event.owner: epoch for epoch, event in self.history if event.num_bytes is not None}
        # Optimizer state is still alive at the end; what was freed has left ``_entries``.
        state = {entry.owner for entry in self._entries.values() if entry.role == "optimizer"}
        left = self._left_by_a_step(made, state)
        step = [(epoch, event) for epoch, event in self.history if epoch != BUILD]
        yield from (event for epoch, event in self.history if epoch == BUILD)
        for index in range(num_steps):
            # Owners are numbered anew in each step, so that its storages are not taken for those of the step before.
            shift = index * (self._num_seen + 1)
            # History is in order of time, so equal epochs are neighbours: one group is one stage.
            for epoch, events in itertools.groupby(step, key=lambda one: one[0]):
                for _, event in events:
                    if index == 0 or event.owner not in state:
                        yield event if made[event.owner] == BUILD else event._replace(owner=event.owner + shift)
                if index > 0:
                    # The shift of the step before this one.
                    before = shift - self._num_seen - 1
                    yield from (Event(owner=owner + before, num_bytes=None) for owner in left.get(epoch, ()))

    def _left_by_a_step(self, made: Mapping[int, int], state: Collection[int]) -> Mapping[int, Sequence[int]]:
        """Return what a step made and did not free, optimizer state aside, by the stage that made it."""
        freed = {event.owner for _, event in self.history if event.num_bytes is None}
        left: dict[int, list[int]] = {}
        for owner, epoch in made.items():
            if epoch != BUILD and owner not in freed and owner not in state:
                left.setdefault(epoch, []).append(owner)
        return left
