"""docs/architecture.md says where things stand: every path that it names is there, and its drawing is of today's imports."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_every_path_of_the_page_is_there() -> None:
    named = re.findall(r"`((?:aigc_bench|docs|tests)/[^`]*)`", PAGE)
    assert len(named) > 40
    assert not [path for path in named if not (ROOT / path).exists()]


def test_every_file_name_stands_in_a_folder_of_its_paragraph() -> None:
    for paragraph in re.split(r"\n(?=\d+\. )|\n\n", PAGE):
        folders = {Path(path).parent for path in re.findall(r"`(aigc_bench/[^`]*\.py)`", paragraph)}
        for name in re.findall(r"`([a-z_]+\.py)`", paragraph):
            assert any((ROOT / folder / name).is_file() for folder in folders), name


def test_every_room_of_the_planner_is_in_its_table() -> None:
    rooms = {path.name for path in (ROOT / "aigc_bench" / "plan").iterdir() if (path / "__init__.py").is_file()}
    assert rooms == set(re.findall(r"^\| `([a-z]+)` \|", PAGE, flags=re.MULTILINE))


def test_the_drawing_is_of_todays_imports() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "docs" / "architecture.py"), "--check"], check=False)
    assert done.returncode == 0, "imports have changed: python docs/architecture.py draws them anew"
