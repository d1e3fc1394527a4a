"""An error fits a screen whatever a file holds: what is wrong and where stays in sight."""

from __future__ import annotations

from aigc_bench.core.errors import AigcBenchError, UnknownNameError, UsageError


def test_a_long_line_keeps_its_begin_and_its_end() -> None:
    said = str(UsageError(f"demand.toml: {'x' * 100_000}: must be a number.", "Write one."))
    assert said.startswith("demand.toml: xxx")
    assert said.endswith("xxx: must be a number. Write one.")
    assert len(said) < 1_000


def test_many_mistakes_are_counted_and_the_first_are_said() -> None:
    said = str(AigcBenchError("demand.toml: 10,001 mistakes:", details=[f"  mistake {n}" for n in range(10_001)])).splitlines()
    assert said[:2] == ["demand.toml: 10,001 mistakes:", "  mistake 0"]
    assert said[-1] == "  and 9,981 more"
    assert len(said) == 22


def test_mistakes_that_are_long_are_fewer() -> None:
    said = str(AigcBenchError("x:", details=[f"{n}" * 700 for n in range(10)]))
    assert len(said) < 2_600
    assert said.endswith("  and 7 more")


def test_a_handful_of_mistakes_is_said_whole() -> None:
    details = tuple(f"  mistake {n}" for n in range(21))
    assert UsageError("x:", details=details).lines == ("x:", *details)


def test_hundreds_of_known_names_are_cut_and_a_long_one_costs_no_time() -> None:
    said = str(UnknownNameError("region", "z" * 1_000_000, known=[f"region-{n}" for n in range(300)]))
    assert said.endswith("and 240 more.")
    assert len(said) < 1_200


def test_what_is_shown_as_an_escape_is_measured_as_one() -> None:
    assert len(str(UsageError("\x00" * 5_000))) < 1_000
