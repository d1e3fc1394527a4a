"""Families against a bare loop, and engines against eager: ratios within one process, repetitions interleaved.

    python benchmarks/families.py [--rounds N] [--threads N] [--family NAME]... [--engine NAME/PRECISION]... [--no-engines]

    step over bare     one step as the worker runs it, stage by stage with its markers, over the same model (the same weights)
                       driven by a plain transformers or diffusers loop; median of the rounds' ratios, order alternating; within 3 %
    gain of an engine  eager fp32's step over the engine's, median of the rounds' ratios, and whether the engine's outputs are right
                       (the quality gate's error); the best is named

A step: GPT-2-124M 32 + 8 tokens, BERT-base 1 x 128, latent diffusion (tiny) 3 guided steps at 128 px, Whisper-tiny 30 s and 8
tokens. Without arguments a few minutes on two cores, most of it the runtimes' exports. Always exits with 0: on a machine
that is shared they are the neighbour's as well.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from aigc_bench.measure.launcher import WORKER_ENVIRONMENT  # noqa: E402

os.environ.update(WORKER_ENVIRONMENT)

import torch  # noqa: E402

from aigc_bench.core import registry  # noqa: E402
from aigc_bench.core.records import Case, Quality  # noqa: E402
from aigc_bench.engines.base import CannotExecute  # noqa: E402
from aigc_bench.measure.quality import Prepared  # noqa: E402
from aigc_bench.measure.trial import judge, make_setup  # noqa: E402
from aigc_bench.measure.window import run_step  # noqa: E402
from aigc_bench.workloads.base import Program  # noqa: E402

CPU = registry.load("accelerators", "cpu")
CASES = {
    "gpt": {"preset": "gpt2-124m", "settings": {"prompt_len": 32, "max_new_tokens": 8}},
    "bert": {"preset": "base", "settings": {"seq_len": 128}},
    "latent_diffusion": {"preset": "tiny", "settings": {"num_inference_steps": 3}},
    "speech_recognition": {"preset": "whisper-tiny", "settings": {"max_new_tokens": 8}},
}
ENGINES = (
    *("torch-eager/bf16", "torch-int8/bf16", "torch-int8-dynamic/fp32", "torch-int4/bf16"),
    *("onnxruntime/fp32", "openvino/fp32", "openvino/bf16"),
)
"""``torch-compile`` runs only by name: it compiles for minutes."""
TARGET = 0.03


@dataclass(frozen=True, kw_only=True)
class Built:
    """A case, built and ready to run."""

    case: Case
    program: Program
    prepared: Prepared
    device: torch.device

    def step(self, number: int) -> None:
        """One step as the worker runs it."""
        run_step(self.program, registry.load("workloads", self.case.workload).stages(self.case), CPU, step=number)

    def quality(self) -> Quality | None:
        """The gate's finding; the program is not to be used after."""
        workload, engine = registry.load("workloads", self.case.workload), registry.load("engines", self.case.engine)
        box = [self.program]
        return judge(self.case, box, workload=workload, engine=engine, backend=CPU, prepared=self.prepared, device=self.device)


def build(family: str, *, engine: str, precision: str, threads: int) -> Built:
    """Build a case; raises ``CannotExecute`` where the engine does not run it."""
    case = Case(workload=family, mode="infer", engine=engine, precision=precision, threads=threads, **CASES[family])
    executing = registry.load("engines", engine)
    reason = executing.unsupported(case) or CPU.unsupported(case)
    if reason is not None:
        raise CannotExecute(reason)
    device, prepared = CPU.select(case), Prepared()
    program = registry.load("workloads", family).build(case, make_setup(case, device=device, engine=executing, prepared=prepared))
    built = Built(case=case, program=program, prepared=prepared, device=device)
    built.step(0)
    return built


# Bare loops: what a person would write with the library alone, over the same modules


def bare_gpt(built: Built) -> Callable[[], object]:
    """Greedy generation over a static cache."""
    from transformers import StaticCache

    model, (prompt_len, num_new) = built.program.modules[0], (32, 8)
    prompt = torch.randint(0, model.config.vocab_size, (1, prompt_len))

    def step() -> object:
        cache = StaticCache(config=model.config, max_cache_len=prompt_len + num_new)
        tokens, made = prompt, []
        for _ in range(num_new):
            logits = model(input_ids=tokens, past_key_values=cache, use_cache=True, logits_to_keep=1).logits
            tokens = logits[:, -1:].argmax(dim=-1)
            made.append(tokens)
        return torch.cat(made, dim=1)

    return step


def bare_bert(built: Built) -> Callable[[], object]:
    """One pass of the encoder."""
    model = built.program.modules[0]
    tokens = torch.randint(0, model.config.vocab_size, (1, 128))
    return lambda: model(input_ids=tokens).pooler_output


def bare_latent_diffusion(built: Built) -> Callable[[], object]:
    """A pipeline's loop: text, guided denoising by DDIM, pixels."""
    from aigc_bench.nets.latent_diffusion import DdimSampler

    text, unet, vae = built.program.modules
    clip, denoiser, decoder = text.models[0], unet.model, vae.decoder
    scheduler = DdimSampler(num_inference_steps=3, prediction="epsilon").scheduler
    tokens, start = torch.randint(0, 49407, (2, 77)), torch.randn(1, 4, 16, 16)

    def step() -> object:
        context, latents = clip(input_ids=tokens).last_hidden_state, start
        for moment in scheduler.timesteps:
            noise = denoiser(torch.cat([latents] * 2), moment, encoder_hidden_states=context).sample
            unconditional, conditional = noise.chunk(2)
            noise = unconditional + 7.5 * (conditional - unconditional)
            latents = scheduler.step(noise, moment, latents).prev_sample
        image = decoder.decoder(decoder.post_quant_conv(latents / decoder.scaling_factor))
        return (image / 2 + 0.5).clamp(0, 1)

    return step


def bare_speech_recognition(built: Built) -> Callable[[], object]:
    """Whisper's encoder, then greedy decoding from four prompt tokens."""
    from transformers.cache_utils import EncoderDecoderCache, StaticCache

    model = built.program.modules[0]
    config, prompt = model.config, torch.arange(4)[None]
    frames = torch.randn(1, config.num_mel_bins, 2 * config.max_source_positions)

    def step() -> object:
        encoded = model.get_encoder()(frames)
        own = StaticCache(config=config, max_cache_len=12)
        cross = StaticCache(config=config, max_cache_len=config.max_source_positions)
        cache, tokens, made = EncoderDecoderCache(own, cross), prompt, []
        for _ in range(8):
            output = model(encoder_outputs=encoded, decoder_input_ids=tokens, past_key_values=cache, use_cache=True)
            tokens = output.logits[:, -1:].argmax(dim=-1)
            made.append(tokens)
        return torch.cat(made, dim=1)

    return step


BARE = {
    "gpt": bare_gpt,
    "bert": bare_bert,
    "latent_diffusion": bare_latent_diffusion,
    "speech_recognition": bare_speech_recognition,
}


def seconds(run: Callable[[], object]) -> float:
    """Wall time of one call."""
    start_ns = time.perf_counter_ns()
    run()
    return (time.perf_counter_ns() - start_ns) / 1e9


def paired_ratio(left: Callable[[], object], right: Callable[[], object], *, rounds: int) -> tuple[float, float, float]:
    """Median over rounds of left's time over right's, with both medians; who goes first alternates."""
    for run in (left, right):
        run()
    lefts, rights = [], []
    for number in range(rounds):
        for run, times in ((left, lefts), (right, rights))[:: 1 if number % 2 == 0 else -1]:
            times.append(seconds(run))
    ratios = [a / b for a, b in zip(lefts, rights, strict=True)]
    return statistics.median(ratios), statistics.median(lefts), statistics.median(rights)


def against_bare(family: str, *, rounds: int, threads: int) -> None:
    """Print a family's step over the bare loop's."""
    built = build(family, engine="torch-eager", precision="fp32", threads=threads)
    step, bare = (lambda: built.step(0)), BARE[family](built)
    ratio, ours_s, bare_s = paired_ratio(step, bare, rounds=rounds)
    verdict = "within" if abs(ratio - 1) <= TARGET else "outside"
    print(
        f"{family:20} step {1e3 * ours_s:8.1f} ms   bare loop {1e3 * bare_s:8.1f} ms   ratio {ratio:.3f}   {verdict} {TARGET:.0%}",
        flush=True,
    )


def engine_gains(family: str, *, engines: Sequence[str], rounds: int, threads: int) -> None:
    """Print every engine's gain over eager fp32, and the best of those whose outputs are right."""
    eager = build(family, engine="torch-eager", precision="fp32", threads=threads)
    gains: dict[str, float] = {}
    for name in engines:
        engine, _, precision = name.partition("/")
        try:
            other = build(family, engine=engine, precision=precision or "fp32", threads=threads)
            gain, _, other_s = paired_ratio(lambda: eager.step(0), lambda built=other: built.step(0), rounds=rounds)
        except CannotExecute as reason:
            print(f"{family:20}   {name:24} not run: {reason}", flush=True)
            continue
        quality = other.quality()
        is_right = quality is not None and quality.passed is True
        error = quality.values.get("relative_error") if quality is not None else None
        correctness = "outputs not compared" if error is None else f"error {error:.2g}, {'right' if is_right else 'WRONG'}"
        print(f"{family:20}   {name:24} {1e3 * other_s:8.1f} ms   gain {gain:5.2f} x   {correctness}", flush=True)
        gains |= {name: gain} if is_right else {}
    if gains:
        best = max(gains, key=lambda name: gains[name])
        print(f"{family:20} best engine {best}: {gains[best]:.2f} x eager fp32", flush=True)


def main(words: Sequence[str] | None = None) -> int:
    """Run the selected families and engines, by default all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11, help="interleaved repetitions (default 11)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1: two on a shared machine scatter)")
    parser.add_argument("--family", action="append", choices=sorted(CASES), help="only this one (may be repeated)")
    parser.add_argument("--engine", action="append", help="engines instead of the default ones, as torch-compile/fp32")
    parser.add_argument("--no-engines", action="store_true", help="only the bare loops")
    options: Any = parser.parse_args(words)
    warnings.filterwarnings("ignore")
    known = set(registry.names("workloads"))
    families = [family for family in options.family or CASES if family in known]
    with torch.inference_mode():
        for family in families:
            against_bare(family, rounds=options.rounds, threads=options.threads)
        for family in [] if options.no_engines else families:
            engine_gains(family, engines=options.engine or ENGINES, rounds=options.rounds, threads=options.threads)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
