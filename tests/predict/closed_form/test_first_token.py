"""The time to a first token under a closed load: what a request waits for, part by part."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.predict.closed_form import forms
from aigc_bench.predict.closed_form.columns import ModelRow
from aigc_bench.predict.closed_form.language_rows import language_row
from aigc_bench.predict.fitting.calibration import before_any_measurement, shipped_calibration
from aigc_bench.predict.published.row import PublishedQuery
from aigc_bench.predict.published.table import parse_row

CATALOGUE = load_catalogue(with_user_files=False)
PRIORS = dict(before_any_measurement().constants["language"])
SHIPPED = dict(shipped_calibration().constants["language"])


def row(
    *, gpu: str = "h200_sxm_141gb", engine: str = "vllm", clients: float = 1, length: float = 1024, **layout: float
) -> ModelRow:
    query = PublishedQuery(
        family="llm", task="infer-online", model="llama-3.1-8b", gpu=gpu, gpu_count=8, precision="fp8", software=engine,
        concurrency=clients, input_len=length, output_len=1024, metric="ttft", unit="s", layout=layout or {"tp": 8},
    )  # fmt: skip
    return language_row(query, CATALOGUE.accelerator(gpu))


def first_token_s(own: ModelRow, constants: dict[str, float] = PRIORS) -> float:
    return float(np.exp(forms.log_quantity("language", forms.columns_of([own]), constants))[0])


@pytest.mark.parametrize("constants", [PRIORS, SHIPPED], ids=["priors", "shipped"])
@given(clients=st.floats(1, 256), more=st.floats(1, 4), length=st.floats(16, 8192), longer=st.floats(1, 4))
def test_more_clients_or_a_longer_prompt_never_shorten_the_wait(
    constants: dict[str, float], clients: float, more: float, length: float, longer: float
) -> None:
    here = first_token_s(row(clients=clients, length=length), constants)
    assert first_token_s(row(clients=clients * more, length=length), constants) >= here * (1 - 1e-9)
    assert first_token_s(row(clients=clients, length=length * longer), constants) >= here * (1 - 1e-9)


def test_a_lone_client_never_waits() -> None:
    crowded = PRIORS | {"wave": 10.0}
    assert first_token_s(row(), crowded) == pytest.approx(first_token_s(row(), PRIORS))
    assert first_token_s(row(clients=64), crowded) > 2 * first_token_s(row(clients=64), PRIORS)


def test_a_pass_takes_its_launches_however_short_the_prompt_is() -> None:
    slow = PRIORS | {"prompt_layer_s.vllm": 1e-3}
    columns = forms.columns_of([row(length=16)])
    assert first_token_s(row(length=16), slow) > float(forms.pass_launches_s(columns, slow)[0]) > 0.02


def test_prompts_of_the_first_wave_share_passes_and_their_launches() -> None:
    slow = PRIORS | {"prompt_layer_s.vllm": 1e-3}
    short, long = (first_token_s(row(clients=64, length=length), slow) for length in (1024, 8192))
    alone = [first_token_s(row(length=length), slow) for length in (1024, 8192)]
    assert short - alone[0] < (long - alone[1]) / 4


def test_data_parallel_attention_reads_a_prompt_on_fewer_ranks() -> None:
    apart = row(clients=16, tp=8, ep=8, attention_dp=8)
    assert apart.columns["attention_ranks"] == 8
    assert first_token_s(apart) > first_token_s(row(clients=16))


def test_an_engine_that_looks_seldom_keeps_requests_waiting_and_only_on_the_architecture_it_is_set_so() -> None:
    def wait_steps(gpu: str, engine: str, clients: float) -> float:
        columns = forms.columns_of([row(gpu=gpu, engine=engine, clients=clients)])
        return float(forms.steps_to_a_look(columns, columns["sequences"])[0])

    assert [wait_steps(gpu, "sglang", 8) for gpu in ("b200_sxm_180gb", "b300_sxm_288gb", "h200_sxm_141gb")] == [5, 5, 0]
    assert wait_steps("b200_sxm_180gb", "sglang", 16) == 15
    assert wait_steps("b200_sxm_180gb", "vllm", 16) == 0


def test_ranks_of_a_worker_that_reads_prompts_are_its_attention_and_expert_ranks_too() -> None:
    cells = {
        "family": "llm", "task": "infer-online", "model": "deepseek-v3", "gpu": "GB200", "gpu_count": 36, "precision": "fp4",
        "software": "trtllm", "concurrency": 64, "input_len": 1024, "output_len": 1024, "metric": "ttft", "unit": "ms",
    }  # fmt: skip
    shared = '"mode": "disagg", "decode_tp_size": "8", "decode_num_workers": "4", "prefill_num_workers": "1"'
    spread = f'{{{shared}, "prefill_tp_size": "1", "prefill_attention_dp_size": "4", "prefill_moe_ep_size": "4"}}'
    tensor = f'{{{shared}, "prefill_tp_size": "4"}}'
    found = [
        language_row(parse_row(cells | {"config_json": config, "value": "1"}).query, CATALOGUE.accelerator("gb200_186gb")).columns
        for config in (spread, tensor)
    ]
    assert found[0]["prefill_linear"] == found[1]["prefill_linear"]
    assert [columns["attention_ranks"] for columns in found] == [4, 1]
