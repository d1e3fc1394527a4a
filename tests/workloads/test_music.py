import pytest
import torch

from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Case
from aigc_bench.nets.encodec import EncodecDecoder
from aigc_bench.nets.flop_formulas import missing_formulas
from aigc_bench.nets.music_generation import delay_pattern, delayed
from aigc_bench.workloads.music import workload
from tests.workloads.stepping import repeated_losses, run_steps


def music(mode, **fields):
    return Case(workload="music", preset=fields.pop("preset", "tiny"), mode=mode, **fields)


def test_each_codebook_is_one_step_later_than_the_one_before():
    codes = torch.arange(6).view(1, 2, 3)
    assert delayed(codes, pad=9).tolist() == [[[0, 1, 2, 9], [9, 3, 4, 5]]]
    assert delay_pattern(3, num_codebooks=2, device=torch.device("cpu")).tolist() == [
        [False, False, False, True],
        [True, False, False, False],
    ]


def test_a_second_has_fifty_frames_and_the_last_codebook_three_steps_more():
    stages = {stage.name: stage for stage in workload.stages(music("infer", preset="musicgen-small", settings={"audio_s": 2.0}))}
    assert stages["decode"].repeats == 2 * 50 + 3
    assert stages["audio_decode"].items == 2.0


def test_codes_become_six_hundred_and_forty_samples_each():
    config = workload.presets["tiny"].config["audio_decoder"]
    waveform = EncodecDecoder(config)(torch.randint(256, (2, 4, 7)))
    assert waveform.shape == (2, 1, 7 * 640)


def test_the_delay_is_undone_before_codes_become_sound(make_setup):
    case = music("infer", settings={"audio_s": 0.1, "guidance_scale": 1.0})
    program = workload.build(case, make_setup(case))
    assert run_steps(program, workload, case)["finite"]


def test_guidance_runs_two_sequences_for_each_piece(make_setup):
    from torch.utils.flop_counter import FlopCounterMode

    flops = []
    for scale in (1.0, 3.0):
        case = music("infer", settings={"audio_s": 0.1, "guidance_scale": scale})
        program = workload.build(case, make_setup(case))
        program.begin(0)
        program.stages["text_encode"](0)
        program.stages["decode"](0)
        with FlopCounterMode(display=False, custom_mapping=missing_formulas()) as counter:
            program.stages["decode"](1)
        flops.append(counter.get_total_flops())
    assert flops[1] == 2 * flops[0]


def test_training_moves_the_decoder_alone_and_learns_a_piece_it_hears_again(make_setup):
    case = music("train", batch_size=2)
    program = workload.build(case, make_setup(case))
    text_encoder, decoder = program.modules
    seen = repeated_losses(program, workload, case, steps=8)
    assert seen[-1] < seen[0]
    assert not any(parameter.requires_grad for parameter in text_encoder.parameters())
    assert all(parameter.requires_grad for parameter in decoder.parameters())


def test_a_piece_is_a_whole_number_of_frames():
    with pytest.raises(UsageError, match=r"audio_s = 0\.333 is not a whole number of frames"):
        workload.validate(music("infer", settings={"audio_s": 0.333}))
