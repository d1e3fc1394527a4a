"""What a REPL and a notebook show of a result."""

from __future__ import annotations

import re
from pathlib import Path

from aigc_bench.core.overview import MOST_LINES, MOST_ROWS, TONES, Overview, Shown
from aigc_bench.core.record import Record

STYLE_SHEET = Path(__file__).parents[2] / "aigc_bench" / "report" / "templates" / "style.css"


class Weather(Shown, Record):
    """A result."""

    days: tuple[str, ...]

    @property
    def overview(self) -> Overview:
        """Return the days."""
        rows = tuple({"day": day, "degrees": "21", "verdict": "valid"} for day in self.days)
        return Overview(title="Weather of <Bern>", notes=("two \x1b[31m stations",), rows=rows, right=("degrees",))


def test_a_result_prints_as_its_first_rows_and_not_as_its_fields() -> None:
    found = Weather(days=tuple(f"day {number}" for number in range(30)))
    lines = repr(found).splitlines()
    assert lines[:4] == ["Weather of <Bern>", r"two \x1b[31m stations", "DAY    DEGREES  VERDICT", "day 0       21  valid"]
    assert len(lines) == 3 + MOST_LINES + 1
    assert lines[-1] == "... and 22 more rows; to_pandas() has them all"
    assert str(found) == repr(found)
    assert f"{found}" == repr(found)


def test_a_notebook_gets_a_short_escaped_table() -> None:
    html = Weather(days=tuple(f"<b>{number}" for number in range(30)))._repr_html_()  # type: ignore[attr-defined]
    assert "<b>" not in html
    assert "Weather of &lt;Bern&gt;" in html
    assert "\x1b" not in html
    assert html.count("<tr>") == html.count("</tr>") == 1 + MOST_ROWS
    assert re.findall(r"<th[^>]*>(\w+)</th>", html) == ["day", "degrees", "verdict"]
    assert "<script" not in html
    assert len(html) < 10_000


def test_a_result_without_rows_is_its_title() -> None:
    assert repr(Weather(days=())) == "Weather of <Bern>\ntwo \\x1b[31m stations"
    assert "<table" not in Weather(days=()).overview.html


def test_a_notebook_has_the_colours_of_the_report() -> None:
    colours = re.findall(r"#[0-9a-f]{6}", Weather(days=("a",)).overview.html)
    assert len(colours) == 2 * len(set(TONES.values()))
    assert all(colour in STYLE_SHEET.read_text() for colour in colours)
