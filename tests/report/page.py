"""A rendered report as a test looks at it: elements with their attributes, text and ancestors."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser
from typing import Any

VOID = {"meta", "link", "br", "input", "img", "hr"}


@dataclass
class Element:
    """One element: its tag, attributes, the text inside, and the tags around it."""

    tag: str
    attributes: dict[str, str]
    within: tuple[str, ...]
    text: str = ""

    @property
    def classes(self) -> set[str]:
        return set(self.attributes.get("class", "").split())


@dataclass
class _Reader(HTMLParser):
    elements: list[Element] = field(default_factory=list)
    open: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, tuple(one.tag for one in self.open))
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data


class Page:
    """A report, parsed. ``own`` is its HTML without plotly.js."""

    def __init__(self, html: str) -> None:
        self.html = html

    @cached_property
    def scripts(self) -> list[str]:
        """Inline scripts that run, in order."""
        return re.findall(r"<script>(.*?)</script>", self.html, flags=re.DOTALL)

    @cached_property
    def own(self) -> str:
        return self.html.replace(self.scripts[0], "/* plotly.js */")

    @cached_property
    def elements(self) -> list[Element]:
        reader = _Reader()
        reader.feed(self.own)
        reader.close()
        assert not reader.open, f"never closed: {[one.tag for one in reader.open]}"
        return reader.elements

    def all(self, tag: str, *, cls: str | None = None) -> list[Element]:
        """Elements of a tag, and of a class where one is named."""
        return [one for one in self.elements if one.tag == tag and (cls is None or cls in one.classes)]

    def by_id(self, name: str) -> Element:
        """The one element of that id."""
        found = [one for one in self.elements if one.attributes.get("id") == name]
        assert len(found) == 1, f"{len(found)} elements have the id {name}"
        return found[0]

    def spec(self, name: str) -> dict[str, Any]:
        """The specification of a chart."""
        parsed: dict[str, Any] = json.loads(self.by_id(f"spec-{name}").text)
        return parsed

    @property
    def section_names(self) -> list[str]:
        return [one.attributes["id"] for one in self.all("section")]
