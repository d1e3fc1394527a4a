"""One engine with continuous batching, advanced from event to event. The scheduling is described in the package's docstring."""

from __future__ import annotations

import heapq
import math
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from aigc_bench.predict.serving.kv_blocks import KvBlocks
from aigc_bench.predict.serving.server_model import ServerModel
from aigc_bench.predict.serving.step_time import chunk_pairs


class Stretch(NamedTuple):
    """Steps alike, one after the other: step i takes ``first_s + i * growth_s`` and gives each decoding sequence a token.

    ``num_stalled`` of them waited before the first step for prompts to be read; their gaps stand in the ``Book``.
    """

    start_s: float
    end_s: float
    steps: int
    first_s: float
    growth_s: float
    num_decoding: int
    num_running: int
    num_waiting: int
    prefill_tokens: int
    mean_blocks: float
    peak_blocks: int
    num_stalled: int


@dataclass(frozen=True, kw_only=True)
class Book:
    """What happened to each request, by its index; the replicas write into it. Moments are ``nan`` until they come."""

    input_tokens: list[int]
    output_tokens: list[int]
    arrival_s: list[float]
    admitted_s: list[float]
    first_token_s: list[float]
    finish_s: list[float]
    replica: list[int]
    num_preemptions: list[int]
    gaps_s: list[float]
    """ITLs over a preemption, or over prompts that were read meanwhile: from the token before it to the token after it."""


@dataclass(slots=True)
class _Prefill:
    """A request whose prompt is being computed. Only one is left unfinished after a step: the one that was admitted last."""

    request: int
    computed: int
    target: int


@dataclass(slots=True)
class _Decoding:
    """A sequence that decodes: at step s it holds ``offset + s`` tokens, and it ends when the step count reaches ``end_step``."""

    end_step: int
    offset: int


class Replica:
    """One engine. ``offer`` it arrivals in order, ``advance`` it through time; it writes into its ``Book``."""

    def __init__(self, server: ServerModel, *, index: int, book: Book, token_s: list[float]) -> None:
        self.index = index
        self.clock_s = 0.0
        self.stretches: list[Stretch] = []
        self.finished: list[int] = []
        """Requests that finished with the latest stretch."""
        self.early_wait_s = 0.0
        """Time that arrivals waited for the step under way to end, before the scheduler saw them."""
        self._server = server
        self._book = book
        self._token_s = token_s
        self._per_context_s = server.step_time.per_context_s
        self._per_sequence_s = server.step_time.per_sequence_s
        self._kv = KvBlocks(num_blocks=server.num_blocks, block_size=server.block_size)
        self._step = 0
        # Moment at which the launches of the last prompt pass are done; before it only decoding goes on.
        self._launched_s = 0.0
        # Offered, not yet seen by the scheduler (arriving); seen, not yet admitted (waiting).
        self._arriving: deque[int] = deque()
        self._waiting: deque[int] = deque()
        # In order of admission, finished ones included: ``_preempt_last`` skips them, which is cheaper than removing each.
        self._admitted: list[int] = []
        self._prefill: _Prefill | None = None
        self._decoding: dict[int, _Decoding] = {}
        # Heap of (end step, request); entries of preempted sequences stay and are recognised by their end step.
        self._ends: list[tuple[int, int]] = []
        # Tokens in the cache of all decoding sequences, kept up to date so that no step visits them.
        self._slots = 0
        # Answer tokens still to come, of preempted requests only.
        self._left: dict[int, int] = {}
        self._last_token_s: dict[int, float] = {}
        self._decodes_meanwhile = server.schedule == "mixed"
        # Moment of the last token and number of sequences that have stood still since, the earliest first.
        self._stalled: list[tuple[float, int]] = []

    def offer(self, request: int) -> None:
        """A request that arrives at its ``arrival_s``, not before those offered earlier."""
        self._book.replica[request] = self.index
        self._arriving.append(request)

    def num_in_system(self, at_s: float) -> int:
        """Requests offered and not finished by ``at_s``, to which the replica must have advanced."""
        # A stretch may have run past ``at_s``: what ended with it was still here then.
        just_finished = len(self.finished) if self.clock_s > at_s else 0
        return len(self._arriving) + len(self._waiting) + (self._prefill is not None) + len(self._decoding) + just_finished

    def advance(self, until_s: float = math.inf, *, max_stretches: float = math.inf) -> bool:
        """Run the steps that start before ``until_s``, at most ``max_stretches`` stretches of them; whether there was any."""
        done = 0
        while done < max_stretches and self._is_busy_before(until_s):
            # While a prompt pass is launched no other begins, and decoding has the steps to itself.
            is_launching = bool(self._decoding) and self.clock_s < self._launched_s
            if is_launching or (self._prefill is None and not self._can_admit()):
                self._decode(min(until_s, self._launched_s) if is_launching else until_s)
            else:
                self._mix()
            done += 1
        return done > 0

    def _is_busy_before(self, until_s: float) -> bool:
        """Take in what has arrived, after sleeping to the next arrival where there is nothing to do."""
        arriving, arrival_s = self._arriving, self._book.arrival_s
        if arriving:
            if not (self._decoding or self._waiting or self._prefill) and arrival_s[arriving[0]] < until_s:
                self.clock_s = max(self.clock_s, arrival_s[arriving[0]])
            while arriving and arrival_s[arriving[0]] <= self.clock_s:
                request = arriving.popleft()
                # Little's law needs this time: the stretches count a request only from here on.
                self.early_wait_s += self.clock_s - arrival_s[request]
                self._waiting.append(request)
        return self.clock_s < until_s and bool(self._decoding or self._waiting or self._prefill)

    def _can_admit(self) -> bool:
        """Whether the head of the queue gets in at this step. If not, only an end or a preemption will change that."""
        if not self._waiting or len(self._decoding) >= self._server.max_num_seqs:
            return False
        head = self._waiting[0]
        # Decoding sequences take their token of the budget first, where they decode in the same step.
        taken = len(self._decoding) if self._decodes_meanwhile else 0
        chunk = self._held_at_first(self._prompt_of(head), budget=self._server.max_num_batched_tokens - taken)
        wanted = self._kv.blocks_wanted(self._step) if self._decodes_meanwhile else 0
        return self._kv.has_room(wanted) and self._kv.has_room(wanted + self._blocks_to_admit(head, chunk=chunk))

    def _decode(self, until_s: float) -> None:
        """Only decoding: jump over all the steps that are alike, to the first end, missing block or arrival that could get in."""
        count, ends = len(self._decoding), self._ends
        # Stale heap entries: sequences that were preempted, and perhaps admitted again with another end.
        while (found := self._decoding.get(ends[0][1])) is None or found.end_step != ends[0][0]:
            heapq.heappop(ends)
        steps = self._kv.steps_that_fit(self._step, at_most=ends[0][0] - self._step)
        if steps == 0:
            self._preempt_for_blocks()
            # After a preemption one step only: the sequence sent back may get in at the next.
            count, steps = len(self._decoding), 1
        # Those that stood still have a longer gap before this step than before the next.
        steps = 1 if self._stalled else steps
        # With others waiting, an arrival changes nothing until the head of the queue gets in.
        if not self._waiting and self._arriving and count < self._server.max_num_seqs:
            until_s = min(until_s, self._book.arrival_s[self._arriving[0]])
        # Each sequence attends to its tokens and the one it writes: slots + count.
        first_s = self._token_s[count] + self._per_sequence_s * count + self._per_context_s * (self._slots + count)
        growth_s = self._per_context_s * count
        # The step under way at ``until_s`` is finished: engines look at their queue between steps only.
        if steps > 1 and self.clock_s + sum_s(steps - 1, first_s=first_s, growth_s=growth_s) >= until_s:
            steps = steps_to(until_s, start_s=self.clock_s, first_s=first_s, growth_s=growth_s)
        blocks = self._kv.growth(self._step, num_steps=steps)
        num_running = count + (self._prefill is not None)
        self._run(steps, first_s=first_s, growth_s=growth_s, num_running=num_running, new_blocks=blocks)

    def _mix(self) -> None:
        """One step with prompt chunks: decoding sequences first, then the prompt under way, then the head of the queue."""
        is_calm, count, context = True, 0, 0
        if self._decodes_meanwhile:
            # vLLM admits nothing in a step in which it has preempted.
            is_calm = self._preempt_for_blocks()
            count = len(self._decoding)
            context = self._slots + count
            # Blocks of this step's decoded tokens are taken before prompts may have any.
            self._kv.used += self._kv.blocks_wanted(self._step)
        budget = self._server.max_num_batched_tokens - count
        chunks: list[tuple[_Prefill, int]] = []
        if self._prefill is not None:
            chunk = self._extend(self._prefill, budget=budget)
            is_calm = is_calm and chunk > 0
            chunks += [(self._prefill, chunk)] if chunk and self._prefill else []
            budget -= chunk
        while is_calm and self._waiting and budget > 0 and len(self._decoding) + len(chunks) < self._server.max_num_seqs:
            admitted = self._admit(budget)
            if admitted is None:
                break
            chunk = admitted.computed - self._cached(admitted.target)
            chunks.append((admitted, chunk))
            budget -= chunk
        tokens = sum(chunk for _, chunk in chunks)
        # ``computed`` already includes this chunk.
        pairs = sum(chunk_pairs(prefill.computed - chunk, num_tokens=chunk) for prefill, chunk in chunks)
        seconds = (
            self._token_s[count + tokens]
            + self._per_sequence_s * (count + len(chunks))
            + self._per_context_s * context
            + self._server.step_time.per_pair_s * pairs
        )
        self._prefill = None
        num_running = len(self._decoding) + len(chunks)
        if self._decodes_meanwhile:
            self._run(1, first_s=seconds, growth_s=0.0, num_running=num_running, prefill_tokens=tokens)
        else:
            self._read(seconds, num_running=num_running, num_tokens=tokens)
        self._launched_s = self.clock_s + (self._server.prompt_pass_s if tokens else 0.0)
        for prefill, _ in chunks:
            self._after_chunk(prefill)

    def _read(self, seconds: float, *, num_running: int, num_tokens: int) -> None:
        """Let a step pass that reads prompts alone: every decoding sequence stands still."""
        start_s, blocks = self.clock_s, self._kv.used
        self.clock_s += seconds
        standing = len(self._decoding) - sum(count for _, count in self._stalled)
        if standing:
            self._stalled.append((start_s, standing))
        self.stretches.append(
            Stretch(start_s, self.clock_s, 1, seconds, 0.0, 0, num_running, len(self._waiting), num_tokens, blocks, blocks, 0)
        )
        self.finished = []

    def _run(
        self, steps: int, *, first_s: float, growth_s: float, num_running: int, new_blocks: int = 0, prefill_tokens: int = 0
    ) -> None:
        """Let the steps pass: time, tokens, and the sequences that end with the last of them."""
        count, start_s, blocks = len(self._decoding), self.clock_s, self._kv.used
        self.clock_s += sum_s(steps, first_s=first_s, growth_s=growth_s)
        self._kv.used += new_blocks
        self._step += steps
        self._slots += count * steps
        waiting = len(self._waiting)
        num_stalled = sum(standing for _, standing in self._stalled)
        for since_s, standing in self._stalled:
            self._book.gaps_s.extend([self.clock_s - since_s] * standing)
        self._stalled = []
        self.stretches.append(
            Stretch(
                start_s,
                self.clock_s,
                steps,
                first_s,
                growth_s,
                count,
                num_running,
                waiting,
                prefill_tokens,
                # Blocks rise about linearly over a stretch: their mean is half-way.
                blocks + new_blocks / 2,
                self._kv.used,
                num_stalled,
            )
        )
        self.finished = []
        while self._ends and self._ends[0][0] <= self._step:
            end_step, request = heapq.heappop(self._ends)
            if (found := self._decoding.get(request)) is not None and found.end_step == end_step:
                slots = self._stop_decoding(request)
                self._finish(request, slots=slots)

    def _prompt_of(self, request: int) -> int:
        """Tokens to compute before the next new one: the prompt and, after a preemption, the answer so far."""
        outputs = self._book.output_tokens[request]
        return self._book.input_tokens[request] + outputs - self._left.get(request, outputs)

    def _blocks_to_admit(self, request: int, *, chunk: int) -> int:
        if self._server.kv_policy == "preempt":
            return self._kv.blocks_for(chunk)
        # The last token is answered and never written to the cache.
        return self._kv.blocks_for(self._book.input_tokens[request] + self._book.output_tokens[request] - 1)

    def _held_at_first(self, prompt: int, *, budget: int) -> int:
        """Tokens that an admitted prompt has blocks for: cached ones and a first chunk, or all where nothing decodes meanwhile."""
        # SGLang admits a prompt only where all of it fits, since no end of a sequence makes room between its chunks.
        return min(prompt, self._cached(prompt) + budget) if self._decodes_meanwhile else prompt

    def _cached(self, prompt: int) -> int:
        """Tokens of a prompt that are in the cache already; the last is always read, since it makes the first token."""
        return min(int(self._server.prefix_hit_rate * prompt), prompt - 1)

    def _admit(self, budget: int) -> _Prefill | None:
        """The head of the queue with its first chunk, if its blocks are free; ``None`` leaves it where it is."""
        request = self._waiting[0]
        prompt = self._prompt_of(request)
        computed = min(prompt, self._cached(prompt) + budget)
        blocks = self._blocks_to_admit(request, chunk=self._held_at_first(prompt, budget=budget))
        if not self._kv.has_room(blocks):
            return None
        self._kv.used += blocks
        self._waiting.popleft()
        self._admitted.append(request)
        # Only the first admission counts as the end of queueing.
        if math.isnan(self._book.admitted_s[request]):
            self._book.admitted_s[request] = self.clock_s
        return _Prefill(request, computed, prompt)

    def _extend(self, prefill: _Prefill, *, budget: int) -> int:
        """The next chunk of the prompt under way; 0 where no block is free for it and it returned to the queue."""
        chunk = min(prefill.target - prefill.computed, budget)
        if self._server.kv_policy == "preempt" and self._decodes_meanwhile:
            blocks = self._kv.blocks_for(prefill.computed + chunk) - self._kv.blocks_for(prefill.computed)
            if not self._kv.has_room(blocks):
                self._preempt_last()
                return 0
            self._kv.used += blocks
        prefill.computed += chunk
        return chunk

    def _after_chunk(self, prefill: _Prefill) -> None:
        """A whole prompt gives a token and starts to decode; the rest of a longer one waits for the next step."""
        if prefill.computed < prefill.target:
            self._prefill = prefill
            return
        request = prefill.request
        if math.isnan(self._book.first_token_s[request]):
            self._book.first_token_s[request] = self.clock_s
        else:
            self._book.gaps_s.append(self.clock_s - self._last_token_s.pop(request))
        # Finishing the prompt gives one token.
        left = self._left.pop(request, self._book.output_tokens[request]) - 1
        if left == 0:
            self._finish(request, slots=prefill.target)
            return
        self._decoding[request] = _Decoding(self._step + left, prefill.target - self._step)
        heapq.heappush(self._ends, (self._step + left, request))
        self._slots += prefill.target
        if self._server.kv_policy == "preempt":
            self._kv.start_growing(self._step, slots=prefill.target)

    def _finish(self, request: int, *, slots: int) -> None:
        self._kv.used -= self._blocks_to_admit(request, chunk=slots)
        self._book.finish_s[request] = self.clock_s
        self.finished.append(request)

    def _stop_decoding(self, request: int) -> int:
        """Take a sequence out of the batch; the tokens it holds."""
        slots = self._decoding.pop(request).offset + self._step
        self._slots -= slots
        if self._server.kv_policy == "preempt":
            self._kv.stop_growing(self._step, slots=slots)
        return slots

    def _preempt_for_blocks(self) -> bool:
        """Send back the sequences admitted last until the others have blocks for this step; return whether none was."""
        is_calm = True
        while not self._kv.has_room(self._kv.blocks_wanted(self._step)):
            self._preempt_last()
            is_calm = False
        return is_calm

    def _preempt_last(self) -> None:
        """The sequence admitted last loses its blocks and goes to the head of the queue, to be computed again."""
        request = self._admitted.pop()
        # Those that have finished since are passed over.
        while request not in self._decoding and (self._prefill is None or self._prefill.request != request):
            request = self._admitted.pop()
        if request in self._decoding:
            self._left[request] = self._decoding[request].end_step - self._step
            self._last_token_s[request] = self._last_token_of_latest()
            slots = self._stop_decoding(request)
        else:
            assert self._prefill is not None
            held = self._prefill.computed if self._decodes_meanwhile else self._prefill.target
            slots, self._prefill = held, None
        self._kv.used -= self._kv.blocks_for(slots)
        self._waiting.appendleft(request)
        self._book.num_preemptions[request] += 1

    def _last_token_of_latest(self) -> float:
        """Moment of the last token of the sequence admitted last, which is taken out of those that stand still."""
        # Sequences begin to decode in the order of their admission, so the latest stands still in the latest group, if in any.
        if not self._stalled or len(self._decoding) > sum(count for _, count in self._stalled):
            return self.clock_s
        since_s, count = self._stalled.pop()
        if count > 1:
            self._stalled.append((since_s, count - 1))
        return since_s


def sum_s(steps: int, *, first_s: float, growth_s: float) -> float:
    """Seconds of that many steps, the first taking ``first_s`` and each one ``growth_s`` more than the one before."""
    # Whole-number division: the product is even, and the sum stays exact for many steps.
    return steps * first_s + growth_s * (steps * (steps - 1) // 2)


def steps_to(until_s: float, *, start_s: float, first_s: float, growth_s: float) -> int:
    """The fewest steps, at least one, after which the clock has reached ``until_s``: the root of a quadratic, then made exact."""
    # n first + growth n (n - 1) / 2 = t, solved in the form without cancellation, which also holds for growth 0.
    linear = first_s - growth_s / 2
    root = 2 * (until_s - start_s) / (linear + math.sqrt(linear**2 + 2 * growth_s * (until_s - start_s)))
    steps = max(1, math.ceil(root))
    # Rounding may put the root one off in either direction.
    while start_s + sum_s(steps, first_s=first_s, growth_s=growth_s) < until_s:
        steps += 1
    while steps > 1 and start_s + sum_s(steps - 1, first_s=first_s, growth_s=growth_s) >= until_s:
        steps -= 1
    return steps
