import pytest

from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Case
from aigc_bench.workloads.speech_recognition import workload
from tests.workloads.stepping import repeated_losses, run_steps


def whisper(mode, preset="tiny", **fields):
    return Case(workload="speech_recognition", preset=preset, mode=mode, **fields)


@pytest.mark.parametrize("new", [1, 2, 8])
@pytest.mark.parametrize("mode", ["infer", "train"])
def test_a_step_finishes_the_seconds_of_its_clips_however_many_tokens_it_makes(mode, new):
    case = whisper(mode, "whisper-small", batch_size=4, settings={"max_new_tokens": new})
    assert workload.work(case).items_per_step == pytest.approx(4 * 30.0)


def test_tokens_are_counted_besides_the_seconds():
    stages = {stage.name: stage for stage in workload.stages(whisper("infer", batch_size=3))}
    assert (stages["encode"].tokens, stages["prefill"].tokens, stages["decode"].tokens) == (None, 3, 3)
    assert stages["decode"].repeats == 7


def test_one_token_is_the_prefills_own(make_setup):
    case = whisper("infer", settings={"max_new_tokens": 1})
    program = workload.build(case, make_setup(case))
    assert list(program.stages) == ["encode", "prefill"]
    assert run_steps(program, workload, case)["finite"]


def test_training_learns_a_transcript_it_sees_again(make_setup):
    case = whisper("train", batch_size=2)
    seen = repeated_losses(workload.build(case, make_setup(case)), workload, case, steps=6)
    assert seen[-1] < seen[0]


def test_gradient_checkpointing_gives_the_same_loss(make_setup):
    cases = [whisper("train", gradient_checkpointing=value) for value in (False, True)]
    first, second = (run_steps(workload.build(case, make_setup(case)), workload, case)["loss"] for case in cases)
    assert first == pytest.approx(second, rel=1e-5)


def test_whispers_window_is_fixed_and_its_decoder_has_an_end():
    with pytest.raises(UsageError, match="audio_s = 10 must be 30"):
        workload.validate(whisper("infer", "whisper-base", settings={"audio_s": 10.0}))
    with pytest.raises(UsageError, match="64 positions"):
        workload.validate(whisper("infer", settings={"max_new_tokens": 100}))


def test_another_clip_has_another_transcript(make_setup):
    case = whisper("infer")
    program = workload.build(case, make_setup(case))
    sums = {run_steps(program, workload, case, steps=steps)["logits_std"] for steps in (1, 2)}
    assert len(sums) == 2
