"""The memory of ``meta`` tensors: which storages are alive, how many bytes they would be, and what they belong to."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Literal

import torch

Role = Literal["", "param", "buffer", "cache", "gradient", "optimizer"]

BUILD = -1
"""The epoch of what is made before the first stage."""


@dataclass(kw_only=True)
class _Entry:
    num_bytes: int
    epoch: int
    role: Role


class Storages:
    """Counts storages from when they are first seen until they are freed.

    ``epoch`` is the stage under way; ``current`` and ``peak`` are bytes, without optimizer state, which is counted for
    itself: it is made in the first step only and lives on.
    """

    def __init__(self) -> None:
        self._entries: dict[int, _Entry] = {}
        self.epoch = BUILD
        self.default_role: Role = ""
        self.current = 0
        self.peak = 0

    def add(self, tensor: torch.Tensor) -> bool:
        """Count the tensor's storage if it is new; returns whether it was."""
        storage = tensor.untyped_storage()
        identity = storage._cdata
        if identity in self._entries:
            return False
        entry = _Entry(num_bytes=storage.nbytes(), epoch=self.epoch, role=self.default_role)
        self._entries[identity] = entry
        weakref.finalize(storage, self._forget, identity).atexit = False
        if entry.role != "optimizer":
            self.current += entry.num_bytes
            self.peak = max(self.peak, self.current)
        return True

    def _forget(self, identity: int) -> None:
        entry = self._entries.pop(identity)
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
        """Bytes alive of one role or made in one epoch, optimizer state left out unless asked for."""
        entries = (entry for entry in self._entries.values() if (entry.role if role is None else role) == entry.role)
        chosen = (entry for entry in entries if (entry.epoch if epoch is None else epoch) == entry.epoch)
        return sum(entry.num_bytes for entry in chosen if role == "optimizer" or entry.role != "optimizer")
