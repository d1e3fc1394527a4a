import pytest
import torch

from aigc_bench.core.records import Case
from aigc_bench.nets.speech_synthesis import SpeechT5, SpeechT5Synthesis, symbol_of_frame
from aigc_bench.workloads.text_to_speech import workload
from tests.workloads.stepping import repeated_losses, run_steps

SMALL_SPEECHT5 = {
    "vocab_size": 30, "hidden_size": 32, "encoder_layers": 1, "decoder_layers": 2, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "speech_decoder_prenet_units": 16,
    "speech_decoder_postnet_units": 16, "speech_decoder_prenet_dropout": 0.0, "positional_dropout": 0.0, "initializer_range": 0.2,
}  # fmt: skip
TINY = ("tiny", "tacotron2-tiny")


def speech(mode, preset="tiny", **fields):
    return Case(workload="text_to_speech", preset=preset, mode=mode, **fields)


def test_frames_are_dealt_to_symbols_in_order_and_equally():
    dealt = symbol_of_frame(text_len=4, num_frames=10, device=torch.device("cpu"))
    assert dealt.tolist() == [0, 0, 0, 1, 1, 2, 2, 2, 3, 3]


@pytest.mark.parametrize("preset", TINY)
def test_speech_is_as_long_as_was_requested(preset, make_setup):
    case = speech("infer", preset, batch_size=2)
    checks = run_steps(workload.build(case, make_setup(case)), workload, case)
    assert checks["finite"]
    assert workload.work(case).items_per_step == 2 * workload.options(case).audio_s


@pytest.mark.parametrize("preset", TINY)
def test_training_learns_speech_it_hears_again(preset, make_setup):
    case = speech("train", preset, batch_size=2)
    seen = repeated_losses(workload.build(case, make_setup(case)), workload, case, steps=10)
    assert min(seen[-3:]) < seen[0]


def test_an_autoregressive_model_decodes_a_step_for_each_of_its_frames():
    def repeats(preset):
        return {stage.name: stage.repeats for stage in workload.stages(speech("infer", preset, settings={"audio_s": 2.0}))}

    assert repeats("tacotron2-hifigan")["decode"] == pytest.approx(2.0 * 22050 / 256, abs=2)
    assert repeats("speecht5")["decode"] == pytest.approx(2.0 * 16000 / 256 / 2, abs=1)
    assert repeats("fastpitch-hifigan") == {"synthesise": 1, "vocode": 1}


def test_frames_of_speecht5_one_by_one_equal_those_of_its_teacher_forced_pass():
    torch.manual_seed(0)
    model = SpeechT5(SMALL_SPEECHT5).eval()
    # The library's pre-net takes the rate of its dropout for the share to keep, so that 0 would keep nothing.
    model.model.speecht5.decoder.prenet._consistent_dropout = lambda embedded, rate: embedded
    text, speaker = torch.randint(3, 30, (2, 7)), torch.randn(2, 512)
    synthesis = SpeechT5Synthesis(model, prepare=lambda module: module, batch_size=2, text_len=7, num_steps=5, dtype=torch.float32)
    with torch.no_grad():
        synthesis.encode(text, speaker)
        for repeat in range(5):
            synthesis.decode(repeat)
        made = synthesis._made.clone()
        before, after, _ = model(text, made, speaker)
        torch.testing.assert_close(made, before, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(synthesis.frames(), after, rtol=1e-4, atol=1e-4)


def test_vits_says_why_it_does_not_train():
    assert "discriminators" in str(workload.unsupported(speech("train", "vits")))
    assert workload.unsupported(speech("infer", "vits")) is None


def test_vits_keeps_no_weight_normalisation(make_setup):
    case = speech("infer", "vits")
    program = workload.build(case, make_setup(case, device="meta"))
    assert not [name for name, _ in program.modules[0].named_parameters() if "parametrizations" in name]
