"""Devices of a trial are found in the telemetry whatever the runtime calls them."""

from __future__ import annotations

import pytest

from aigc_bench.core.run_records import AcceleratorInfo
from aigc_bench.measure.device_names import named_as_listed, with_parents

WHOLE, DIVIDED = "GPU-5a1b2c3d-0000-1111-2222-333344445555", "GPU-99aa2c3d-0000-1111-2222-333344445555"
FIRST, SECOND = "MIG-aaaa0000-0000-5555-8888-000000000001", "MIG-bbbb0000-0000-5555-8888-000000000002"


def listed(uuid: str, *, parent: str | None = None) -> AcceleratorInfo:
    return AcceleratorInfo(index=0, name="NVIDIA A100", uuid=uuid, backend="cuda", details={"mig_parent": parent})


MACHINE = (listed(WHOLE), listed(FIRST, parent=DIVIDED), listed(SECOND, parent=DIVIDED))


@pytest.mark.parametrize(
    ("reported", "name"),
    [
        (WHOLE, WHOLE),
        (SECOND, SECOND),
        (SECOND.replace("MIG-", "GPU-"), SECOND),
        ("MIG-bbbb", SECOND),
        ("GPU-5a1b", WHOLE),
        # Without a name in CUDA_VISIBLE_DEVICES the runtime shows the first instance, under its parent's UUID.
        (DIVIDED, FIRST),
        ("host", "host"),
        ("MIG-", "MIG-"),
    ],
)
def test_a_device_is_named_as_the_driver_lists_it(reported: str, name: str) -> None:
    assert named_as_listed([reported], MACHINE) == (name,)


def test_an_instance_is_judged_with_the_gpu_it_is_part_of() -> None:
    assert with_parents([FIRST, SECOND, WHOLE], MACHINE) == (FIRST, SECOND, WHOLE, DIVIDED)
    assert with_parents(["host"], MACHINE) == ("host",)
