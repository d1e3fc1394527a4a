"""Scratch memory of small three-dimensional convolutions on a CPU: counted where torch unfolds, not where oneDNN computes."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from aigc_bench.predict.tracing.recorder import Recorder

UNFOLDED = 32 * 27 * 8 * 32 * 32 * 4
INPUT = OUTPUT = 32 * 8 * 32 * 32 * 4
MEASURE = """
import torch
from torch import nn

def peak():
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))

torch.set_num_threads(1)
warm = nn.Conv3d(2, 2, 3, padding=1)
layer, big, several = (nn.Conv3d(32, 32, 3, padding=1), torch.randn(1, 32, 8, 32, 32), torch.randn(2, 32, 8, 32, 32))
with torch.no_grad():
    warm(torch.randn(1, 2, 3, 4, 4))
    layer(several)
    before = peak()
    layer(big)
    print(peak() - before)
"""


def peak_beyond_build(layer: nn.Module, shape: tuple[int, ...], *, is_host: bool = True) -> int:
    """Bytes alive at the peak while a layer runs, without its weights."""
    recorder = Recorder(is_host=is_host)
    with torch.device("meta"), recorder, torch.no_grad():
        source = torch.empty(shape)
        recorder.storages.add(source)
        layer(source)
    return recorder.storages.peak


def conv(channels: int = 32, kernel: int = 3, **changes: int) -> nn.Module:
    return nn.Conv3d(channels, 32, kernel, padding=kernel // 2, device="meta", **changes)


def test_one_small_sample_is_unfolded() -> None:
    assert peak_beyond_build(conv(), (1, 32, 8, 32, 32)) >= INPUT + OUTPUT + UNFOLDED


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (conv(), (2, 32, 8, 32, 32)),
        (conv(kernel=1), (1, 32, 8, 32, 32)),
        (conv(groups=2), (1, 32, 8, 32, 32)),
        (conv(), (1, 32, 64, 32, 32)),
    ],
    ids=["several samples", "a kernel of one position", "groups", "many elements"],
)
def test_what_onednn_computes_has_no_columns(layer: nn.Module, shape: tuple[int, ...]) -> None:
    elements = 32 * shape[0] * shape[2] * shape[3] * shape[4]
    assert peak_beyond_build(layer, shape) < 2.5 * 4 * elements


def test_an_accelerator_has_no_columns() -> None:
    assert peak_beyond_build(conv(), (1, 32, 8, 32, 32), is_host=False) < 1.5 * (INPUT + OUTPUT)


def test_a_process_grows_by_the_columns_of_one_sample() -> None:
    grown = int(subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True).stdout)
    assert grown > 0.8 * UNFOLDED
