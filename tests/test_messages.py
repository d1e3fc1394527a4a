"""Every sentence for a person goes through the message function, with placeholders that match, and is in the template."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator

import jinja2
import pytest
from jinja2 import nodes

from tests.test_architecture import PACKAGE, name_of, sources, tree
from tools.messages import FUNCTIONS, differences, in_template

CONVERTED = (
    "core/",
    "catalog/",
    "engines/",
    "telemetry/",
    "accelerators/",
    "data/",
    "measure/",
    "analyze/",
    "predict/",
    "plan/",
    "report/",
    "api/",
    "cli/",
    "nets/",
    "workloads/",
    "listing.py",
)
"""All folders of the package."""
SENTENCE = re.compile(r"[A-Za-z]{2,}[,:;.)'`]{0,2} [(`']{0,2}[a-z]{2,}")
"""Two words, of which the second is in lower case."""

TAG = re.compile("<[^>]*>")
COMMAND = "aigc-bench "
TERMS = {
    "top center",
    "out of memory",
    "can't allocate memory",
    "whole number",
    "true or false",
    "model name",
    "CPU part",
    "least cost",
}
"""Names that programs read: of libraries, of the kernel, and of kinds of values."""

READ_BY_PROGRAMS = {
    *("startswith", "endswith", "removeprefix", "removesuffix", "replace", "split", "partition", "rpartition", "count", "index"),
    *("compile", "search", "match", "fullmatch", "sub", "findall", "finditer", "Literal", "cast", "getattr", "TypeVar"),
}
"""Functions whose texts are compared, parsed or written, never shown."""

REFERENCE = re.compile(r"et al\.|arXiv|https?://|github\.com|huggingface\.co|& \w+ 20\d\d")
"""A paper or a repository: it is named alike in every language."""

SHELL = re.compile(r"#!|set -|# shellcheck |srun |\w+=\$\(")
"""How a line of a script begins that a plan writes."""

ERRORS = {"AigcBenchError", "UsageError", "UnknownNameError"}
SHOWN = {"source", "hint", "title", "formula", "note", "why", "reason", "detail", "remedy", "words", "label"}
"""Keywords of records and functions whose texts people read."""

PARSED = {
    "plan/deploy/slurm.py": {"_STRICT", "_TRAINING"},
    "predict/closed_form/language_rows.py": {"ENERGY_UNITS"},
    "predict/published/name_resolution.py": {"_ENGINE_PATTERNS"},
    "predict/published/unit_columns.py": {
        "_ITEMS",
        "_OTHERS",
        "_REMARKS",
        "_TOKENS",
        "_ITEMS_OF_FAMILY",
        "_ENERGY_ITEMS",
        "_WHOLE",
    },
    "accelerators/cuda.py": {"OUT_OF_MEMORY_WORDS"},
    "core/overview.py": {"_STYLE"},
    "engines/_linears.py": {"MakeLayer"},
    "plan/explain/option_steps.py": {"UNITS"},
    "core/system_errors.py": {"_NO_ROOM_WORDS"},
    "report/render.py": {"_POLICY"},
    "core/toml_file.py": {"_KINDS"},
}
"""File -> constants whose texts are searched for or read by programs, not shown."""


def called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else node.func.attr if isinstance(node.func, ast.Attribute) else ""


def unseen(node: ast.AST) -> Iterator[ast.AST]:
    """What stands below a node and is no text of its own for a person."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        yield node.value
    elif isinstance(node, ast.Assert) and node.msg is not None:
        yield node.msg
    elif isinstance(node, ast.Compare):
        yield from (part for part in (node.left, *node.comparators) if not isinstance(part, ast.Call | ast.IfExp))
    elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Store):
        yield node.slice
    elif isinstance(node, ast.AnnAssign | ast.arg) and node.annotation is not None:
        yield node.annotation
    elif isinstance(node, ast.Call) and called(node) in (*FUNCTIONS, *READ_BY_PROGRAMS):
        yield from node.args[: FUNCTIONS.get(called(node), len(node.args))]
    elif isinstance(node, ast.Call):
        yield from (keyword.value for keyword in node.keywords if keyword.arg in ("metavar", "stream"))


def assigned(node: ast.Assign | ast.AnnAssign) -> str:
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    return target.id if isinstance(target, ast.Name) else ""


def constant_text(node: ast.AST) -> str | None:
    """The text of a literal, with values of an f-string left out."""
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "\0" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def loose_sentences(parsed: ast.Module, *, name: str) -> Iterator[str]:
    """Sentences of a file outside the message function."""
    skipped = {id(below) for node in ast.walk(parsed) for part in unseen(node) for below in ast.walk(part)}
    constants = [
        node for node in parsed.body if isinstance(node, ast.Assign | ast.AnnAssign) and assigned(node) in PARSED.get(name, ())
    ]
    skipped |= {id(below) for node in constants for below in ast.walk(node)}
    inside = {id(part) for node in ast.walk(parsed) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(parsed):
        if id(node) in skipped or (id(node) in inside and isinstance(node, ast.Constant)):
            continue
        text = constant_text(node)
        if text is None or text.startswith(COMMAND) or text in TERMS or REFERENCE.search(text) or SHELL.match(text):
            continue
        if SENTENCE.search(TAG.sub("", text)):
            yield f"{name}:{node.lineno}: {text!r}"


@pytest.mark.parametrize("folder", CONVERTED)
def test_a_converted_folder_has_no_sentence_outside_the_message_function(folder: str) -> None:
    files = [file for file in sources() if name_of(file).startswith(folder)]
    assert files
    assert not [sentence for file in files for sentence in loose_sentences(tree(file), name=name_of(file))]


def test_loose_sentences_are_found() -> None:
    source = """
'Say how many rows are left.'
assert rows, 'there are rows here'
if 'no rows' in text or text.startswith('all the rows'):
    say('no rows are left', f'{message("of these rows")}')
    raise UsageError(f'{file}: is not a table', message('Write another one.'))
"""
    found = sorted(loose_sentences(ast.parse(source), name="screen.py"))
    assert found == ["screen.py:5: 'no rows are left'", "screen.py:6: '\\x00: is not a table'"]


def texts_of(node: ast.AST) -> Iterator[ast.expr]:
    """Literals and f-strings that an argument may be."""
    if isinstance(node, ast.IfExp):
        yield from (*texts_of(node.body), *texts_of(node.orelse))
    elif isinstance(node, ast.BoolOp):
        yield from (text for value in node.values for text in texts_of(value))
    elif isinstance(node, ast.BinOp):
        yield from (*texts_of(node.left), *texts_of(node.right))
    elif isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        yield node


def made_by_hand(parsed: ast.Module, *, name: str) -> Iterator[str]:
    """Arguments of errors, and of what people read, that are not made by the message function, however few words they have."""
    for node in ast.walk(parsed):
        if not isinstance(node, ast.Call):
            continue
        arguments = list(node.args) if called(node) in ERRORS else []
        arguments += [keyword.value for keyword in node.keywords if keyword.arg in SHOWN or called(node) in ERRORS]
        for text in (text for argument in arguments for text in texts_of(argument)):
            words = constant_text(text) or ""
            if re.search(r"[A-Za-z]{2,}", words.replace("\0", "")) and " " in words and not REFERENCE.search(words):
                yield f"{name}:{text.lineno}: {words!r}"


def test_errors_and_sources_are_made_by_the_message_function() -> None:
    assert not [found for file in sources() for found in made_by_hand(tree(file), name=name_of(file))]


def test_texts_made_by_hand_are_found() -> None:
    source = """
raise UsageError(f'{file}: wrong', message('Use {name}.', name=name))
assumed(1.0, unit='W', source=f'{of} or {general}')
Preset(title='tiny', source='He et al. 2015, table 1')
UnknownNameError('server', name, known=servers)
"""
    found = list(made_by_hand(ast.parse(source), name="screen.py"))
    assert found == ["screen.py:2: '\\x00: wrong'", "screen.py:3: '\\x00 or \\x00'"]


def message_calls() -> Iterator[tuple[str, ast.Call]]:
    for file in sources():
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("message", "plural"):
                yield f"{name_of(file)}:{node.lineno}", node


def placeholders(text: str) -> set[str]:
    return {re.split(r"[.\[]", name)[0] for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_messages_are_literals_whose_placeholders_are_given() -> None:
    wrong = []
    for place, call in message_calls():
        texts = [part.value for part in call.args if isinstance(part, ast.Constant) and isinstance(part.value, str)]
        given = {keyword.arg for keyword in call.keywords}
        if len(texts) != len(call.args) or len(texts) != FUNCTIONS[call.func.id] or None in given:
            wrong.append(f"{place}: not a literal")
        elif given and set().union(*map(placeholders, texts)) | ({"count"} & given) != given:
            wrong.append(f"{place}: {texts[0]!r} is given {sorted(map(str, given))}")
    assert not wrong


def test_placeholders_are_words() -> None:
    names = {keyword.arg for _, call in message_calls() for keyword in call.keywords if keyword.arg}
    assert not [name for name in names if not re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", name) or name.startswith(("expr", "arg_"))]


def test_templates_of_pages_name_their_messages_literally() -> None:
    for file in sorted(PACKAGE.rglob("*.j2")):
        calls = len(re.findall(r"\b(?:message|plural|markup)\(", file.read_text(encoding="utf-8")))
        assert calls == len(list(in_template(file.read_text(encoding="utf-8"), file=file.name))), file.name


def loose_in_template(source: str) -> Iterator[str]:
    """Sentences of a page's template outside the message function: in its text, and among its literals."""
    parsed = jinja2.Environment().parse(source)
    calls = [call for call in parsed.find_all(nodes.Call) if isinstance(call.node, nodes.Name) and call.node.name in FUNCTIONS]
    skipped = {id(part) for call in calls for part in call.args[: FUNCTIONS[call.node.name]]}
    for text in parsed.find_all(nodes.Const):
        if isinstance(text.value, str) and id(text) not in skipped and SENTENCE.search(TAG.sub("", text.value)):
            yield text.value
    for text in parsed.find_all(nodes.TemplateData):
        words = re.sub(r"(?s)<(script|style).*?</\1>|<[^>]*>?|^[^<]*>", "", text.data)
        if SENTENCE.search(words) and COMMAND not in words:
            yield words


def test_templates_of_pages_have_no_sentence_outside_the_message_function() -> None:
    assert not {file.name: found for file in PACKAGE.rglob("*.j2") if (found := [*loose_in_template(file.read_text("utf-8"))])}
    assert [*loose_in_template('<p>All the rows {{ message("All the rows") }}{{ one or "no rows" }}</p>')] == [
        "no rows",
        "All the rows ",
    ]


def test_the_template_of_translations_is_current() -> None:
    assert not differences(), "run `make messages`"
