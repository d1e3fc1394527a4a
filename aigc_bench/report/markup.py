"""Render templates and numbers: a value always with unit, interval, basis and verdict."""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jinja2
from markupsafe import Markup, escape

from aigc_bench.analyze.reason_codes import REASONS
from aigc_bench.core.messages import capitalized, joined, looked_up, message, plural, translated
from aigc_bench.core.records import Basis, Estimate, MetricRow, Verdict
from aigc_bench.core.units import clock, digits, figure, quantity, scale, shown_money
from aigc_bench.core.visible import visible

MARKS: Mapping[Basis, tuple[str, str]] = {
    "measured": ("●", message("measured on this machine")),
    "interpolated": ("◐", message("interpolated between measurements")),
    "modelled": ("○", message("computed by a model")),
    "datasheet": ("◇", message("from a datasheet")),
    "assumed": ("△", message("assumed")),
}
"""Basis -> its sign and meaning; the sign is explained at the top of the report and on hover."""
VERDICT_TONE: Mapping[str | None, str] = {"valid": "ok", "suspect": "warn", "invalid": "bad", "modelled": ""}
STATUS_TONE: Mapping[str | None, str] = {
    "ok": "ok",
    "partial": "warn",
    "oom": "bad",
    "error": "bad",
    "timeout": "bad",
    "unsupported": "warn",
    "skipped": "warn",
}


def missing(why: str = message("not measured in this run")) -> Markup:
    """Return an en dash that states why there is no number."""
    return Markup('<abbr title="{why}">–<span class="sr"> {why}</span></abbr>').format(why=translated(why))


def number(row: MetricRow | Estimate | None, *, why: str = message("not measured in this run")) -> Markup:
    """Return a measured or estimated number as HTML."""
    if row is None or row.value is None:
        return missing(why if row is None else absence(row))
    verdict: Verdict = row.verdict if isinstance(row, MetricRow) else "valid"
    value, unit = _split(row.value, row.unit)
    # Markup.format escapes what is put in; the literal alone is trusted.
    return Markup('<span class="num {verdict}" title="{title}">{value}{unit}</span>{mark}').format(
        verdict=verdict,
        title=explain(row),
        value=value,
        unit=Markup(' <span class="unit">{}</span>').format(unit) if unit else "",
        mark=mark(row.basis),
    )


def absence(row: MetricRow | Estimate) -> str:
    """Return why a number is missing: the reasons of that severity, else all of its reasons."""
    absent = tuple(code for code in row.reasons if code in REASONS and REASONS[code].severity == "absent")
    return readable(absent or row.reasons) or message("not measured in this run")


def explain(row: MetricRow | Estimate) -> str:
    """Return the background of a number in one line: interval, n, basis, verdict and reasons."""
    parts = [quantity(row.value, row.unit, significant=5)]
    if row.low is not None and row.high is not None and row.low != row.high:
        kind = _interval_name(row)
        low, high = quantity(row.low, row.unit), quantity(row.high, row.unit)
        parts.append(message("{kind} {low} to {high}", kind=kind, low=low, high=high))
    if isinstance(row, MetricRow):
        parts += [f"n = {row.n}", row.basis, row.verdict]
    else:
        parts += [MARKS[row.basis][1], message("source: {source}", source=row.source)] if row.source else [MARKS[row.basis][1]]
    if row.reasons:
        parts.append(readable(row.reasons))
    return translated(joined(" · ", parts))


def _interval_name(row: MetricRow | Estimate) -> str:
    """Name the interval: measured ones are Student's t over trials, predicted ones nominal 80 %, an estimate's its source's own."""
    if not isinstance(row, MetricRow):
        return message("interval")
    return message("80 % interval") if row.basis == "modelled" else message("95 % interval")


def spread(row: MetricRow | Estimate | None) -> str:
    """Return the wider half of the interval: ``± 2.1 %``, or points of a share; empty if there is none."""
    if row is None or not row.value or row.low is None or row.high is None or row.low == row.high:
        return ""
    # Intervals of ratios and logs are lopsided: the wider half is the honest one.
    half = max(row.value - row.low, row.high - row.value)
    # Of a share the difference in points; relative to a small share it would look large.
    percent = 100 * (half if row.unit == "fraction" else half / abs(row.value))
    return f"± {'under 0.1' if percent < 0.1 else digits(percent, significant=2)} {'points' if row.unit == 'fraction' else '%'}"


def between(row: MetricRow | Estimate | None) -> str:
    """Return both ends of an interval in the unit of its printed value; empty if there is none."""
    if row is None or row.value is None or row.low is None or row.high is None or row.low == row.high:
        return ""
    is_usd = row.unit.startswith("usd")
    # Both ends in the unit of the value: 900 ms to 1.1 s would be read twice.
    factor, printed = (1 / shown_money(1.0)[1], dollars) if is_usd else (scale(row.value, row.unit)[0], figure)
    return message("{low} to {high}", low=printed(row.low / factor), high=printed(row.high / factor))


def prose(words: str) -> Markup:
    """Return plain text for the page: escaped, `` `commands` `` as code, ``+-`` as its sign, the first letter in upper case.

    Text that begins with a name and a colon (``gpt: chat``) stays in lower case.
    """
    # Escaped before any tag is added.
    safe = str(escape(translated(words).replace("+-", "±")))
    is_named = safe.partition(" ")[0].endswith(":")
    # A no-break space between a number and its sign.
    safe = re.sub(r"(?<=\d) (?=%)", "\u00a0", safe if is_named else safe[:1].upper() + safe[1:])
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", safe))


def short(codes: Sequence[str]) -> Markup:
    """Return reason codes as words, each with its meaning on hover."""
    words = (Markup('<abbr title="{}">{}</abbr>').format(translated(_reason(code)), code.replace("_", " ")) for code in codes)
    return Markup(", ").join(words)


def mark(basis: Basis) -> Markup:
    """Return the sign of a number's basis."""
    sign, meaning = MARKS[basis]
    return Markup('<abbr class="mark" title="{meaning}">{sign}<span class="sr"> ({basis})</span></abbr>').format(
        meaning=translated(meaning), sign=sign, basis=looked_up(basis)
    )


def chip(words: str, tone: str | None = None) -> Markup:
    """Return a small coloured label; the words alone carry the meaning."""
    return Markup('<span class="chip {}">{}</span>').format(tone or "", translated(words))


def readable(codes: tuple[str, ...]) -> str:
    """Return the meanings of reason codes."""
    return joined("; ", (_reason(code) for code in codes))


def markup(template: str, /, **values: object) -> Markup:
    """Return a sentence with tags in it, in the reader's language; its values are escaped unless they are markup."""
    shown = Markup(looked_up(template))  # a literal of this package, or its translation
    if not values:
        return shown
    return shown.format(**{name: translated(value) if isinstance(value, str) else value for name, value in values.items()})


def listed(texts: Iterable[str], separator: str) -> str:
    """Return texts one after the other, each in the reader's language."""
    return translated(joined(separator, texts))


def as_shown(page: str) -> Markup:
    """Return a page with invisible characters as escapes (``core.visible``), except newlines."""
    return Markup(visible(page, keep="\n"))


def moment(unix_s: float | None) -> str:
    """Return a time in UTC, to the minute."""
    if unix_s is None:
        return "–"
    return datetime.datetime.fromtimestamp(unix_s, tz=datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def sort_key(row: MetricRow | None) -> str:
    """Return the sort key of a table cell; empty sorts last."""
    # repr keeps all digits: the script sorts by them, not by what is printed.
    return "" if row is None or row.value is None else repr(float(row.value))


def template(name: str, values: Mapping[str, Any]) -> str:
    """Return the rendered template; everything is escaped unless it is markup."""
    return environment().get_template(name).render(values)


@functools.cache
def environment() -> jinja2.Environment:
    """Return the template environment of this package, with autoescape on and undefined names refused."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("aigc_bench.report"),
        autoescape=True,
        # A misspelt name in a template is an error instead of an empty place.
        undefined=jinja2.StrictUndefined,
        # Every printed expression passes through translation, so no template has to remember it.
        finalize=translated,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(
        number=number,
        spread=spread,
        between=between,
        mark=mark,
        chip=chip,
        message=message,
        plural=plural,
        markup=markup,
        missing=missing,
        sort_key=sort_key,
        MARKS=MARKS,
        VERDICT_TONE=VERDICT_TONE,
        STATUS_TONE=STATUS_TONE,
    )
    made.filters.update(as_shown=as_shown, quantity=quantity, moment=moment, clock=clock, digits=digits, figure=figure)
    made.filters.update(
        prose=prose,
        short=short,
        readable=readable,
        listed=listed,
        translated=translated,
        looked_up=looked_up,
        capitalized=capitalized,
    )
    return made


def source_file(name: str) -> str:
    """Return a style sheet or script of the templates folder verbatim."""
    return str(jinja2.PackageLoader("aigc_bench.report").get_source(environment(), name)[0])


def dollars(amount: float) -> str:
    """Return an amount without its dollar sign: a whole number below a thousand as such, else three significant digits."""
    return figure(amount) if abs(amount) < 1000 else digits(amount)


def _split(value: float, unit: str) -> tuple[str, str]:
    if unit.partition("/")[0] == "usd":
        sign, (mark, size) = "-" if value < 0 else "", shown_money(abs(value))
        return f"{sign}{mark}{dollars(size)}", unit.removeprefix("usd")
    factor, printed = scale(value, unit)
    return figure(value / factor), printed


def _reason(code: str) -> str:
    return REASONS[code].meaning if code in REASONS else code.replace("_", " ")
