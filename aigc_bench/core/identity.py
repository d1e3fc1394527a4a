"""Keys of caches for values that are slow to compare or cannot be hashed."""

from __future__ import annotations

from typing import Generic, TypeVar

Held = TypeVar("Held")


class Same(Generic[Held]):
    """A value that equals itself alone: a catalogue's dozens of records are slow to compare, and a mapping has no hash.

    It holds the value, so that no other one gets its address while a cache knows it.
    """

    __slots__ = ("held",)

    def __init__(self, held: Held) -> None:
        self.held = held

    def __hash__(self) -> int:
        return id(self.held)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.held is other.held
