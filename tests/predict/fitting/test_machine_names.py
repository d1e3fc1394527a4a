"""The accelerator that a table means, however much it says about it."""

from __future__ import annotations

import pytest

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.predict.closed_form.columns import NotPredictable
from aigc_bench.predict.fitting.machine_names import VARIANT_ASSUMED, machine_named, variant_caution

CATALOGUE = load_catalogue(with_user_files=False)


@pytest.mark.parametrize(
    ("name", "accelerator"),
    [
        ("H100-96GB-HBM2e-500W", "h100_sxm_80gb"),
        ("H100-SXM-96GB", "h100_sxm_80gb"),
        ("GH200-144GB", "gh200"),
        ("TPU v7 (Ironwood)", "tpu_v7"),
        ("RTX PRO 6000 Blackwell", "rtx_pro_6000"),
        ("V100/A100", "v100"),
    ],
)
def test_a_variant_is_answered_by_the_nearest_and_says_so(name: str, accelerator: str) -> None:
    assert machine_named(name, catalogue=CATALOGUE).id.startswith(accelerator)
    exact = CATALOGUE.published_accelerator(name) is not None
    assert variant_caution(name, catalogue=CATALOGUE) == (() if exact else (VARIANT_ASSUMED,))


@pytest.mark.parametrize("name", ["H100-SXM-80GB", "A100", "L4", "@RUN"])
def test_a_name_that_is_known_needs_no_caution(name: str) -> None:
    assert variant_caution(name, catalogue=CATALOGUE) == ()


@pytest.mark.parametrize("name", ["MI250X (1 GCD)", "GTX 4711", "80GB", "RTX", "quantum card 12GB"])
def test_a_part_of_a_card_or_another_chip_is_no_variant(name: str) -> None:
    with pytest.raises(NotPredictable):
        machine_named(name, catalogue=CATALOGUE)
