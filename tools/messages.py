"""Collect every message of the package into ``aigc_bench/locale/aigc_bench.pot``, the template that translations start from.

    python tools/messages.py            write the template
    python tools/messages.py --check    say what is missing or gone, and exit 1 if anything is

Messages are literals: those of ``message(...)`` and ``plural(...)`` in Python and in templates (there also ``markup(...)``), and
the docstrings of click commands, which are their help.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jinja2
from jinja2 import nodes

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "aigc_bench"
TEMPLATE = PACKAGE / "locale" / "aigc_bench.pot"

FUNCTIONS = {"message": 1, "plural": 2, "markup": 1}
"""Name of a function -> its leading arguments that are to be translated."""

HEADER = """\
# Messages of aigc-bench. Made by `make messages`; translations are in LANGUAGE/LC_MESSAGES/aigc_bench.po.
msgid ""
msgstr ""
"Project-Id-Version: aigc-bench\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"
"""


@dataclass(frozen=True, kw_only=True, order=True)
class Entry:
    """A message: its text, the text for several (empty if it has none), and where it is."""

    file: str
    text: str
    other: str = ""


def entries() -> list[Entry]:
    """Return the messages of the package, each once, by the first file that has it."""
    found: dict[str, Entry] = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        for one in in_python(file.read_text(encoding="utf-8"), file=file.relative_to(ROOT).as_posix()):
            _add(found, one)
    for file in sorted(PACKAGE.rglob("*.j2")):
        for one in in_template(file.read_text(encoding="utf-8"), file=file.relative_to(ROOT).as_posix()):
            _add(found, one)
    return sorted(found.values())


def _add(found: dict[str, Entry], one: Entry) -> None:
    """Keep the first place of a text; a text with a plural counts as that one, since gettext looks both up by the singular."""
    known = found.get(one.text)
    if known is None or (one.other and not known.other):
        found[one.text] = one


def in_python(source: str, *, file: str) -> Iterator[Entry]:
    """Yield the messages of a Python file."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS:
            parts = [part.value for part in node.args[: FUNCTIONS[node.func.id]] if isinstance(part, ast.Constant)]
            if len(parts) == FUNCTIONS[node.func.id] and parts[0]:
                yield Entry(file=file, text=parts[0], other=parts[1] if len(parts) > 1 else "")
        elif isinstance(node, ast.FunctionDef) and any(map(_is_click_command, node.decorator_list)):
            yield from (Entry(file=file, text=docstring) for docstring in [ast.get_docstring(node)] if docstring)


def _is_click_command(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(called, ast.Attribute) and called.attr in ("command", "group")


def in_template(source: str, *, file: str) -> Iterator[Entry]:
    """Yield the messages of a Jinja template."""
    for call in jinja2.Environment().parse(source).find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name in FUNCTIONS:
            parts = [part.value for part in call.args[: FUNCTIONS[call.node.name]] if isinstance(part, nodes.Const)]
            if len(parts) == FUNCTIONS[call.node.name]:
                yield Entry(file=file, text=parts[0], other=parts[1] if len(parts) > 1 else "")


def template_of(found: list[Entry]) -> str:
    """Return the template's text."""
    return "\n".join((HEADER, *map(_lines, found)))


def _lines(one: Entry) -> str:
    flag = "#, python-brace-format\n" if "{" in one.text + one.other else ""
    if one.other:
        return f'#: {one.file}\n{flag}msgid {_quoted(one.text)}\nmsgid_plural {_quoted(one.other)}\nmsgstr[0] ""\nmsgstr[1] ""\n'
    return f'#: {one.file}\n{flag}msgid {_quoted(one.text)}\nmsgstr ""\n'


_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\b": "\\b"}


def _quoted(text: str) -> str:
    """Return a text as PO strings, one for each of its lines."""
    lines = ["".join(_ESCAPES.get(character, character) for character in line) for line in text.splitlines(keepends=True)]
    return f'"{lines[0]}"' if len(lines) == 1 else "\n".join(['""', *(f'"{line}"' for line in lines)])


def read_template(text: str) -> set[tuple[str, str]]:
    """Return the texts of a template, each with its plural or an empty text."""
    found: set[tuple[str, str]] = set()
    parts: dict[str, str] = {}
    key = ""
    for line in (*text.splitlines(), 'msgid ""'):
        word, _, rest = line.partition(" ")
        if line.startswith('"'):
            parts[key] += ast.literal_eval(line)
        elif word.startswith("msg"):
            if word == "msgid" and parts.get("msgid"):
                found.add((parts["msgid"], parts.get("msgid_plural", "")))
            parts = {} if word == "msgid" else parts
            key = word
            parts[key] = ast.literal_eval(rest)
    return found


def differences() -> list[str]:
    """Return what the template lacks and what it should no longer hold; where a message is does not count."""
    known = read_template(TEMPLATE.read_text(encoding="utf-8")) if TEMPLATE.exists() else set()
    wanted = {(one.text, one.other) for one in entries()}
    return [f"missing: {text!r}" for text, _ in sorted(wanted - known)] + [f"gone: {text!r}" for text, _ in sorted(known - wanted)]


def main(arguments: list[str]) -> int:
    """Write or check the template."""
    if "--check" in arguments:
        found = differences()
        print(*found, sep="\n")
        return 1 if found else 0
    TEMPLATE.parent.mkdir(exist_ok=True)
    TEMPLATE.write_text(template_of(entries()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
