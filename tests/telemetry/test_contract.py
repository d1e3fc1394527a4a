"""What every registered sensor source must hold to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aigc_bench.core import registry
from aigc_bench.telemetry.base import SensorAbsent, Source


@pytest.fixture(params=registry.names("telemetry"))
def opened(request: pytest.FixtureRequest) -> Iterator[tuple[str, Source]]:
    source: Source = registry.load("telemetry", request.param)
    try:
        source.open()
    except SensorAbsent as absence:
        assert len(str(absence)) > 10, "an absence says why"
        pytest.skip(f"absent here: {absence}")
    yield request.param, source
    source.close()


def test_a_source_reports_under_its_registered_name_and_gives_only_what_it_declares(opened: tuple[str, Source]) -> None:
    name, source = opened
    status = source.status()
    assert status.source == name
    assert status.available
    for value in (*source.read(), *source.read_power(), *source.read_slow(), *source.read_energy()):
        assert value.device in status.devices
        assert value.metric in status.metrics
        assert value.value is None or isinstance(value.value, int | float)


def test_names_can_stand_in_a_comma_separated_line(opened: tuple[str, Source]) -> None:
    status = opened[1].status()
    assert not any("," in name or "\n" in name for name in (*status.devices, *status.metrics))


def test_a_source_can_be_opened_again(opened: tuple[str, Source]) -> None:
    source = opened[1]
    before = source.status().metrics
    source.close()
    source.open()
    assert source.status().metrics == before
