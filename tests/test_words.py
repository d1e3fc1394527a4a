"""The words that docs/glossary.md does not use stay out of code, templates, help and docs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GLOSSARY = ROOT / "docs" / "glossary.md"

KEPT = {
    "aigc_bench/cli/plan_risk.py": {"surer"},  # a key of plan --json
    "aigc_bench/plan/explain/plan_steps.py": {"surer"},
    "aigc_bench/plan/records/risk.py": {"surer"},
    "aigc_bench/plan/risk/analysis.py": {"surer"},
    "aigc_bench/report/plan/risk.py": {"surer"},
    "aigc_bench/plan/explain/probabilities.py": {"worlds"},  # a key of --explain
    "aigc_bench/plan/risk/costs.py": {"beside"},  # a random stream is seeded by its name
}
"""File -> the words that it keeps, since a program or a key reads them."""


def unused() -> list[str]:
    table = GLOSSARY.read_text(encoding="utf-8").partition("## Not used")[2]
    rows = re.findall(r"^\| ([a-z][a-z, ]+) \|", table, flags=re.MULTILINE)
    return [word.strip() for row in rows if row != "not" for word in row.split(",")]


def texts() -> Iterator[Path]:
    for folder in ("aigc_bench", "docs", "profiles", "examples"):
        files = (file for file in sorted((ROOT / folder).rglob("*")) if file.suffix in (".py", ".j2", ".toml", ".md"))
        yield from (file for file in files if file != GLOSSARY)
    yield from (ROOT / name for name in ("README.md", "CHANGELOG.md", "SECURITY.md"))


def test_the_table_of_unused_words_is_read() -> None:
    assert {"told", "beside", "worlds", "at once", "regretted by"} <= set(unused())


@pytest.mark.parametrize("word", unused())
def test_an_unused_word_does_not_come_back(word: str) -> None:
    spaced = r"\s+".join(map(re.escape, word.split()))
    pattern = re.compile(rf"(?<![A-Za-z_.]){spaced}(?![A-Za-z_])", re.IGNORECASE)
    found = []
    for file in texts():
        name = file.relative_to(ROOT).as_posix()
        text = file.read_text(encoding="utf-8")
        if word not in KEPT.get(name, ()):
            found += [f"{name}:{text.count(chr(10), 0, match.start()) + 1}" for match in pattern.finditer(text)]
    assert not found, f"{word!r}: docs/glossary.md says what to write"
