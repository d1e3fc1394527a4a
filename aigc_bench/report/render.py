"""Render the report: one self-contained HTML file that makes no network request."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from aigc_bench.analyze.compare import Comparison
from aigc_bench.analyze.rows import HasAccelerators
from aigc_bench.catalog.loader import usable_catalogue
from aigc_bench.core import registry
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.measure.store import Run
from aigc_bench.plan.output.plan_view import PlanView
from aigc_bench.report.base import Rendered, ReportContext, Section
from aigc_bench.report.header import Header, header
from aigc_bench.report.markup import source_file, template
from aigc_bench.report.views import run_views


def render_report(
    runs: Sequence[Run],
    *,
    plan: PlanView | None = None,
    comparison: Comparison | None = None,
    catalogue: HasAccelerators | None = None,
    more: Sequence[Rendered] = (),
) -> str:
    """Return the report of one or several runs as one HTML document, with the plan and the comparison if given.

    ``more`` sections, such as those of a demand's plan, come first. ``catalogue`` provides the dense peaks that MFU divides
    by; default is the shipped one.
    """
    assert runs, "a report needs at least one run"
    views = run_views(runs, catalogue=usable_catalogue() if catalogue is None else catalogue)
    context = ReportContext(runs=views, plan=plan, comparison=comparison)
    info = runs[0].info
    return page(
        (*more, *sections(context)),
        header=header(context),
        origin=message("{version} from run {id}", version=info.versions.get("aigc-bench", ""), id=info.id),
    )


def save(html: str, *, file: Path) -> Path:
    """Replace the file atomically, so that a reader never sees a partial report.

    A pipe or a device (``/dev/stdout``) is written to directly. Raises ``UsageError`` if a file of another kind would be lost.
    """
    # A rename would replace the device or pipe itself.
    if file.exists() and not file.is_file():
        file.write_text(html, encoding="utf-8")
        return file
    if file.is_file() and not _is_page(file):
        raise UsageError(
            message("{file}: exists and is not an HTML page.", file=file),
            message("Choose another file, or move that one away first."),
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, since a rename is atomic within one file system only.
    temporary = file.with_name(f".{file.name}.new")
    try:
        temporary.write_text(html, encoding="utf-8")
        temporary.replace(file)
    except OSError as problem:
        with contextlib.suppress(OSError):
            temporary.unlink()
        # With the name that the user gave, not that of the temporary file.
        raise OSError(problem.errno, problem.strerror, str(file)) from problem
    return file


def _is_page(file: Path) -> bool:
    """Return whether a file may be replaced by a report: it is an HTML page, or empty."""
    with file.open("rb") as handle:
        # A byte-order mark and blank space may precede the first tag.
        start = handle.read(64).lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    return not start or start.startswith((b"<!doctype html", b"<html"))


def sections(context: ReportContext) -> tuple[Rendered, ...]:
    """Return the registered sections with content, in order."""
    offered: list[tuple[str, Section]] = [(name, registry.load("sections", name)) for name in registry.names("sections")]
    rendered = (
        (name, section, section.render(context)) for name, section in sorted(offered, key=lambda pair: (pair[1].order, pair[0]))
    )
    return tuple(Rendered(name=name, title=section.title, html=html) for name, section, html in rendered if html is not None)


def page(found: Sequence[Rendered], *, header: Header, origin: str) -> str:
    """Return the document around rendered sections; ``origin`` is the version and the source, printed in the footer."""
    # Imported here: plotly is heavy, and most commands draw nothing.
    from plotly.offline import get_plotlyjs

    plotly, behaviour = get_plotlyjs(), source_file("behaviour.js")
    values = {
        "header": header,
        "origin": origin,
        "sections": [(section.name, section.title, Markup(section.html)) for section in found],
        "style": Markup(source_file("style.css")),
        "policy": _content_policy([plotly, behaviour]),
        "plotly": Markup(plotly),
        "behaviour": Markup(behaviour),
    }
    return template("page.html.j2", values)


def _content_policy(scripts: Sequence[str]) -> str:
    """Return a Content-Security-Policy that allows exactly these scripts, and forbids every request and every other script."""
    # Scripts are allowed by their hashes: one that came in with a run's names or output does not run.
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts)
    return _POLICY.format(hashes=hashes)


_POLICY = (
    "default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"
)
