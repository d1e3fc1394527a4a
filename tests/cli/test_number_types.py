"""Numbers of options: what no quantity can be is one line that names the option."""

from __future__ import annotations

import pytest

from aigc_bench.cli import main

PREDICT = ("predict", "gpt/llama-3.1-8b", "-a", "h100_sxm_80gb", "--engine", "vllm")
SERVER = (*PREDICT, "--scenario", "server")

MISTAKES = (
    *((*SERVER, "--rate", text) for text in ("nan", "inf", "-1", "0", "1e-308", "1e308", "2,5", "1_000", "5/s", "")),
    *((*SERVER, "--rate", "1", option, text) for option in ("--slo-ttft", "--slo-tpot", "--slo-latency") for text in ("nan", "-1")),
    *((*SERVER, "--rate", "1", "--percentile", text) for text in ("nan", "0", "101", "99%")),
    *((*SERVER, "--rate", "1", "--requests", text) for text in ("0", "1.5", "1e3", "9" * 30, "-1")),
    *((*SERVER, "--rate", "1", "--seed", text) for text in ("-1", "nan", "9" * 5000)),
    *((*PREDICT, "--devices", text) for text in ("0", "1.9", "nan", "9" * 31, "²")),
    *((*PREDICT, "--batch-size", text) for text in ("0", "inf", "9" * 31)),
    (*PREDICT, "--devices", "2", "--parallel", "tp=²"),
    (*PREDICT, "--devices", "2", "--parallel", f"tp={'9' * 5000}"),
    (*PREDICT, "--set", "prompt_len=nan"),
    (*SERVER, "--rate", "1", "--lengths", "inf/5"),
    *(("run", "--dry-run", "--find", "max-batch", "--max-latency", text) for text in ("nan", "inf", "0", "-1")),
    *(("run", "--dry-run", "--budget", text) for text in ("nan", "inf", "-5m", "0s", "9" * 400, "999999999h", "٣m")),
    *(("compare", "a", "b", "--fail-above", text) for text in ("nan", "inf", "-5%", "100%", "1_0%")),
)  # fmt: skip


@pytest.mark.parametrize("words", MISTAKES, ids=lambda words: " ".join(word[:12] for word in words if word not in SERVER))
def test_an_amount_that_cannot_be_is_refused_in_one_line(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(list(words)) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    assert len(err) < 500
    assert "fault of aigc-bench" not in err
