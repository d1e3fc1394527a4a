"""Draw docs/architecture.svg from the imports: the parts of the package, and the rooms of plan/ and predict/.

python docs/architecture.py            write the drawing anew
python docs/architecture.py --check    exit 1 where it is not of today's imports
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "aigc_bench"
DRAWING = ROOT / "docs" / "architecture.svg"

BOX_W, BOX_H, GAP_X, GAP_Y, MARGIN, TITLE = 118, 34, 22, 46, 24, 40
MAX_PER_ROW = 7

Edges = Mapping[str, set[str]]


def modules() -> dict[str, Path]:
    """Dotted name -> file of every module."""
    return {
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in PACKAGE.rglob("*.py")
    }


def imported(file: Path, known: Mapping[str, Path]) -> Iterator[str]:
    """Modules of the package that a file imports anywhere."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield from ({full, node.module} if full in known else {node.module}) & known.keys()


def rooms(prefix: str, *, files: Mapping[str, Path]) -> dict[str, set[str]]:
    """Folders and files directly under ``prefix`` and what each imports of the others."""
    depth = prefix.count(".") + 1

    def room(module: str) -> str | None:
        words = module.split(".")
        return words[depth] if module.startswith(f"{prefix}.") and len(words) > depth else None

    edges: dict[str, set[str]] = {}
    for module, file in files.items():
        own = room(module)
        if own is None or own.startswith("__"):
            continue
        targets = {room(name) for name in imported(file, files)}
        edges.setdefault(own, set()).update(name for name in targets if name and name != own)
    return edges


def levels(edges: Edges) -> dict[str, int]:
    """Longest way down to what imports nothing: a part stands above everything that it imports."""
    found: dict[str, int] = {}

    def level(name: str) -> int:
        if name not in found:
            found[name] = 1 + max((level(target) for target in edges[name]), default=-1)
        return found[name]

    for name in edges:
        level(name)
    return found


def reduced(edges: Edges) -> Iterator[tuple[str, str]]:
    """Arrows without those that a longer way implies."""
    below: dict[str, set[str]] = {}

    def reach(name: str) -> set[str]:
        if name not in below:
            below[name] = set().union(*({target} | reach(target) for target in edges[name]))
        return below[name]

    for name, targets in sorted(edges.items()):
        yield from ((name, target) for target in sorted(targets) if not any(target in reach(other) for other in targets - {target}))


def rows(edges: Edges) -> list[list[str]]:
    """Names by level from the top down; a crowded level takes several rows. Names stand near what they import."""
    by_level: dict[int, list[str]] = {}
    for name, level in sorted(levels(edges).items()):
        by_level.setdefault(level, []).append(name)
    place: dict[str, float] = {}
    found: list[list[str]] = []
    for level in sorted(by_level):
        middle = {
            name: sum(place.get(target, 0.0) for target in edges[name]) / max(1, len(edges[name])) for name in by_level[level]
        }
        names = [name for _, name in sorted((middle[name], name) for name in by_level[level])]
        for start in range(0, len(names), MAX_PER_ROW):
            row = names[start : start + MAX_PER_ROW]
            place.update({name: (index + 0.5) / len(row) for index, name in enumerate(row)})
            found.append(row)
    return found[::-1]


def panel(title: str, edges: Edges, *, top: int, width: int) -> tuple[list[str], int]:
    """SVG of one panel, and the height that it takes."""
    lines = [f'<text class="title" x="{MARGIN}" y="{top + 20}">{escape(title)}</text>']
    spot: dict[str, tuple[float, float]] = {}
    order = rows(edges)
    for number, row in enumerate(order):
        step = (width - 2 * MARGIN) / len(row)
        for index, name in enumerate(row):
            spot[name] = (MARGIN + step * (index + 0.5), top + TITLE + number * (BOX_H + GAP_Y))
    for source, target in reduced(edges):
        (x1, y1), (x2, y2) = spot[source], spot[target]
        start, end = y1 + BOX_H, y2 - 3
        middle = (start + end) / 2
        lines.append(f'<path d="M{x1:.0f} {start:.0f} C{x1:.0f} {middle:.0f} {x2:.0f} {middle:.0f} {x2:.0f} {end:.0f}"/>')
    for name, (x, y) in spot.items():
        lines.append(f'<rect x="{x - BOX_W / 2:.0f}" y="{y:.0f}" width="{BOX_W}" height="{BOX_H}" rx="6"/>')
        lines.append(f'<text x="{x:.0f}" y="{y + BOX_H / 2 + 4:.0f}">{escape(name)}</text>')
    return lines, TITLE + len(order) * (BOX_H + GAP_Y)


STYLE = (
    "rect{fill:#fff;stroke:#3a5a78;stroke-width:1.2}path{fill:none;stroke:#9db2c6;stroke-width:1.1;marker-end:url(#tip)}"
    "text{font:13px system-ui,sans-serif;text-anchor:middle;fill:#1d2b3a}.title{font-weight:600;font-size:15px;text-anchor:start}"
)


def drawing() -> str:
    """The whole picture as SVG; the same imports give the same bytes."""
    files = modules()
    width = 2 * MARGIN + MAX_PER_ROW * (BOX_W + GAP_X)
    top, body = 10, []
    for title, prefix in (
        ("aigc_bench: each part stands above what it imports", "aigc_bench"),
        ("aigc_bench/plan", "aigc_bench.plan"),
        ("aigc_bench/predict", "aigc_bench.predict"),
    ):
        lines, height = panel(title, rooms(prefix, files=files), top=top, width=width)
        body += lines
        top += height + 10
    tip = (
        '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" style="fill:#9db2c6;stroke:none"/></marker>'
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" width="{width}" height="{top}">'
    back = f'<rect style="fill:#f6f8fa;stroke:none" x="0" y="0" width="{width}" height="{top}"/>'
    return "\n".join([head, f"<style>{STYLE}</style><defs>{tip}</defs>", back, *body, "</svg>"]) + "\n"


def main() -> int:
    """Write the drawing, or say whether it is of today's imports."""
    if "--check" in sys.argv[1:]:
        return 0 if DRAWING.is_file() and DRAWING.read_text(encoding="utf-8") == drawing() else 1
    DRAWING.write_text(drawing(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
