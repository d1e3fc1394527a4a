"""A continuous-batching simulator that is plain, slow and obviously right: one step at a time, every sequence visited.

It shares nothing with the product's but the definition of a step's time (``StepTime.seconds``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from aigc_bench.predict.serving.request_arrivals import Requests
from aigc_bench.predict.serving.server_model import ServerModel


@dataclass
class Sequence:
    index: int
    arrival_s: float
    inputs: int
    outputs: int
    computed: int = 0
    blocks: int = 0
    token_s: list[float] = field(default_factory=list)
    admitted_s: float | None = None
    preemptions: int = 0
    is_decoding: bool = False

    @property
    def target(self) -> int:
        """Tokens whose keys and values must be there before the next token: the prompt and the answer so far."""
        return self.inputs + len(self.token_s)

    @property
    def is_done(self) -> bool:
        return len(self.token_s) == self.outputs


def serve_step_by_step(server: ServerModel, requests: Requests) -> list[Sequence]:
    """One replica, open arrivals, all requests servable. Every sequence with the moments of its tokens."""
    arriving = [
        Sequence(index, *row)
        for index, row in enumerate(
            zip(requests.arrival_s.tolist(), requests.input_tokens.tolist(), requests.output_tokens.tolist(), strict=True)
        )
    ]
    everyone = list(arriving)
    waiting: list[Sequence] = []
    running: list[Sequence] = []
    clock_s = launched_s = 0.0
    while arriving or waiting or running:
        if not waiting and not running:
            clock_s = max(clock_s, arriving[0].arrival_s)
        while arriving and arriving[0].arrival_s <= clock_s:
            waiting.append(arriving.pop(0))
        is_launching = clock_s < launched_s and any(sequence.is_decoding for sequence in running)
        scheduled = schedule(server, running, waiting, clock_s, is_launching=is_launching)
        clock_s += step_seconds(server, scheduled)
        if not all(sequence.is_decoding for sequence, _ in scheduled):
            launched_s = clock_s + server.prompt_pass_s
        for sequence, tokens in scheduled:
            is_complete = sequence.computed + tokens == sequence.target
            sequence.computed += tokens
            if is_complete:
                sequence.token_s.append(clock_s)
                sequence.is_decoding = True
        for sequence in [sequence for sequence in running if sequence.is_done]:
            running.remove(sequence)
            sequence.blocks = 0
    return everyone


def schedule(
    server: ServerModel, running: list[Sequence], waiting: list[Sequence], clock_s: float, *, is_launching: bool
) -> list[tuple[Sequence, int]]:
    """vLLM V1's ``Scheduler.schedule``: the running in order of admission, then the queue, within budget, places and blocks.

    While the last pass over prompts is still launched, nothing but decoding is scheduled. SGLang's reads prompts alone while any
    can be read, and decodes else.
    """
    if server.schedule == "prompts_first" and not is_launching and (prompts := prompts_alone(server, running, waiting, clock_s)):
        return prompts
    is_launching = is_launching or server.schedule == "prompts_first"
    budget = server.max_num_batched_tokens
    scheduled: list[tuple[Sequence, int]] = []
    is_anyone_preempted = False
    position = 0
    while position < len(running):
        sequence = running[position]
        if is_launching and not sequence.is_decoding:
            position += 1
            continue
        tokens = min(sequence.target - sequence.computed, budget)
        while not take_blocks(server, sequence, tokens, running):
            victim = running.pop()
            victim.blocks = victim.computed = 0
            victim.preemptions += 1
            victim.is_decoding = False
            waiting.insert(0, victim)
            is_anyone_preempted = True
            if victim is sequence:
                break
        else:
            scheduled.append((sequence, tokens))
            budget -= tokens
            position += 1
    while waiting and not is_launching and not is_anyone_preempted and budget > 0 and len(running) < server.max_num_seqs:
        sequence = waiting[0]
        sequence.computed = cached(server, sequence)
        tokens = min(sequence.target - sequence.computed, budget)
        if not take_blocks(server, sequence, tokens, running):
            break
        running.append(waiting.pop(0))
        if sequence.admitted_s is None:
            sequence.admitted_s = clock_s
        scheduled.append((sequence, tokens))
        budget -= tokens
    return scheduled


def prompts_alone(
    server: ServerModel, running: list[Sequence], waiting: list[Sequence], clock_s: float
) -> list[tuple[Sequence, int]]:
    """The prompt under way, then the queue; a prompt is admitted only where all of it has blocks."""
    budget = server.max_num_batched_tokens
    scheduled: list[tuple[Sequence, int]] = []
    for sequence in running:
        if not sequence.is_decoding:
            tokens = min(sequence.target - sequence.computed, budget)
            scheduled.append((sequence, tokens))
            budget -= tokens
    while waiting and budget > 0 and len(running) < server.max_num_seqs:
        sequence = waiting[0]
        sequence.computed = cached(server, sequence)
        if not take_blocks(server, sequence, sequence.target - sequence.computed, running):
            break
        running.append(waiting.pop(0))
        if sequence.admitted_s is None:
            sequence.admitted_s = clock_s
        tokens = min(sequence.target - sequence.computed, budget)
        scheduled.append((sequence, tokens))
        budget -= tokens
    return scheduled


def cached(server: ServerModel, sequence: Sequence) -> int:
    """Tokens that need not be read, which never are all."""
    return min(int(server.prefix_hit_rate * sequence.target), sequence.target - 1)


def take_blocks(server: ServerModel, sequence: Sequence, tokens: int, running: list[Sequence]) -> bool:
    """Give the sequence the blocks that it needs for these tokens; ``False`` where they are not free."""
    if server.num_blocks is None:
        return True
    slots = sequence.computed + tokens
    if server.kv_policy == "reserve":
        slots = sequence.inputs + sequence.outputs - 1
    blocks = -(-slots // server.block_size)
    others = sum(other.blocks for other in running if other is not sequence)
    if others + blocks > server.num_blocks:
        return False
    sequence.blocks = blocks
    return True


def step_seconds(server: ServerModel, scheduled: list[tuple[Sequence, int]]) -> float:
    """Decoding sequences count by what they attend to, prompts (also those computed again) by their pairs."""
    context = pairs = 0
    for sequence, tokens in scheduled:
        if sequence.is_decoding:
            context += sequence.computed + 1
        else:
            pairs += sum(sequence.computed + offset + 1 for offset in range(tokens))
    return server.step_time.seconds(
        num_tokens=sum(tokens for _, tokens in scheduled),
        num_sequences=len(scheduled),
        context_tokens=context,
        prefill_pairs=pairs,
    )
