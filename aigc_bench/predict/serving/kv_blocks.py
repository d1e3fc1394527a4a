"""The KV cache of one replica, in blocks, counted without visiting the sequences.

A sequence of s tokens holds ``ceil(s / block_size)`` blocks and needs a new one at the step that would write token s + 1 where s is
a multiple of the block size. All decoding sequences grow by one token a step, so the step at which a sequence requests a block
comes round every ``block_size`` steps, at a phase that never changes: ``(step - slots) mod block_size``. Counting sequences by
phase gives the number of blocks that any stretch of steps will take, and how many steps fit into the blocks that are free.
"""

from __future__ import annotations


class KvBlocks:
    """Blocks of one replica; ``num_blocks`` is ``None`` where memory sets no limit."""

    def __init__(self, *, num_blocks: int | None, block_size: int) -> None:
        self.num_blocks = num_blocks
        self.block_size = block_size
        self.used = 0
        self._growing = 0
        # Number of decoding sequences by the phase at which they request a block.
        self._phases = [0] * block_size

    def blocks_for(self, slots: int) -> int:
        """Blocks that hold that many tokens."""
        # Rounded up.
        return -(-slots // self.block_size)

    def has_room(self, num_blocks: int) -> bool:
        """Whether that many more blocks are free."""
        return self.num_blocks is None or self.used + num_blocks <= self.num_blocks

    def start_growing(self, step: int, *, slots: int) -> None:
        """A sequence of ``slots`` tokens decodes from this step on, a token a step."""
        self._phases[(step - slots) % self.block_size] += 1
        self._growing += 1

    def stop_growing(self, step: int, *, slots: int) -> None:
        """A sequence that has ``slots`` tokens at this step grows no more; its blocks stay until they are freed."""
        self._phases[(step - slots) % self.block_size] -= 1
        self._growing -= 1

    def blocks_wanted(self, step: int) -> int:
        """New blocks that the decoding sequences need to run this step."""
        return self._phases[step % self.block_size]

    def growth(self, step: int, *, num_steps: int) -> int:
        """New blocks that the decoding sequences need for ``num_steps`` steps from this one on."""
        # In block_size steps every sequence takes one block, whatever its phase.
        rounds, rest = divmod(num_steps, self.block_size)
        return rounds * self._growing + sum(self._phases[(step + index) % self.block_size] for index in range(rest))

    def steps_that_fit(self, step: int, *, at_most: int) -> int:
        """How many steps, up to ``at_most``, the decoding sequences can run before a block is missing."""
        if self.num_blocks is None or not self._growing:
            return at_most
        free = self.num_blocks - self.used
        # An upper bound first: most of the time blocks are plenty, and the loop is spared.
        if self._growing * (at_most // self.block_size + 1) <= free:
            return at_most
        # Whole rounds fit by division, the rest of a round is tried step by step.
        rounds, left = divmod(free, self._growing)
        steps = rounds * self.block_size
        while steps < at_most and left >= (wanted := self._phases[(step + steps) % self.block_size]):
            left -= wanted
            steps += 1
        return min(steps, at_most)
