"""Seconds of audio as items: speed in multiples of real time, RTF for one listener, and tokens counted besides them."""

from __future__ import annotations

import pytest

from aigc_bench.analyze.timing import Peak, timings
from aigc_bench.core.records import AUDIO_ITEM, Case, Samples, Stage, Steps, TrialResult, Window, Work
from aigc_bench.core.units import quantity

DECODES, STEPS, STEP_S = 4, 5, 2.0


def transcription(*, batch_size: int = 3, mode: str = "infer") -> dict[str, float | None]:
    """Metrics of five steps of 2 s that each transcribe 30 s of every clip: half a second to the first token, then four decodes."""
    stages = (
        Stage(name="encode"),
        Stage(name="prefill", tokens=batch_size),
        Stage(name="decode", repeats=DECODES, items=batch_size * 30.0 / DECODES, tokens=batch_size),
    )
    durations = (0.3, 0.2, *(1.5 / DECODES,) * DECODES)
    starts = [sum(durations[:index]) for index in range(len(durations))]
    each = range(STEPS)
    samples = Samples(
        step=tuple(step for step in each for _ in durations),
        stage=(0, 1, 2, 2, 2, 2) * STEPS,
        repeat=(0, 0, 0, 1, 2, 3) * STEPS,
        start_s=tuple(step * STEP_S + start for step in each for start in starts),
        duration_s=durations * STEPS,
    )
    trial = TrialResult(
        case="c",
        trial=0,
        status="ok",
        started_s=0.0,
        finished_s=20.0,
        work=Work(item=AUDIO_ITEM, stages=stages),
        window=Window(start_s=0.0, end_s=STEPS * STEP_S, wall_s=STEPS * STEP_S, num_steps=STEPS),
        steps=Steps(start_s=tuple(step * STEP_S for step in each), duration_s=(STEP_S,) * STEPS),
        samples=samples,
    )
    case = Case(workload="speech_recognition", preset="tiny", mode=mode, batch_size=batch_size)
    return {found.metric: found.value for found in timings(case, trial, peak=Peak())}


def test_speed_is_seconds_of_all_clips_and_rtf_is_of_one() -> None:
    found = transcription()
    assert found["throughput"] == pytest.approx(3 * 30.0 / STEP_S)
    assert found["rtf"] == pytest.approx(STEP_S / 30.0)


def test_tokens_keep_their_latencies() -> None:
    found = transcription()
    assert found["ttft"] == pytest.approx(0.5)
    assert found["tpot"] == pytest.approx(1.5 / DECODES)


def test_training_has_no_rtf() -> None:
    assert "rtf" not in transcription(mode="train")


def test_speed_and_rtf_are_printed_as_speech_people_say_them() -> None:
    assert quantity(45.0, "audio-seconds/s") == "45.0 × real time"
    assert quantity(0.0667, "s/audio-second") == "0.0667"
    assert quantity(0.0021, "J/audio-second") == "2.10 mJ/audio-second"
