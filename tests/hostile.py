"""Text that wants to be obeyed: by a terminal, a browser, a spreadsheet, rich, jinja or plotly."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

WORDS = (
    "\x1b]0;owned\x07\x1b[2J\x1b[31m",
    "\x9b2J\x9d0;owned\x9c",
    "a\nerror: done\r\tb\x00\x7f\x08",
    "user\u202etxt.exe\u202c\u2066\u2069\u200e\u200f",
    "zero\u200bwidth\u200d\ufeff\u2060\u2028\u2029",
    "\udcff\ud800",
    "[red]markup[/red] :smile: [link=x]",
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "<img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "' autofocus onfocus='alert(1)",
    "]]></svg></title></textarea></style>",
    "&lt;b&gt; &amp;lt; &#60;i&#62;",
    "{{ 7 * 7 }} {% raw %}",
    "%{x} <extra></extra> <a href='javascript:alert(1)'>",
    "=1+1",
    "@SUM(A1)",
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "javascript:alert(1)",
    "__proto__",
    "\U000e0041\U0001d173",
    "$(touch owned) `id`; rm -rf 'x'",
)
"""One sort of attack each."""

HOSTILE = " ".join(WORDS)
"""All of them in one name."""

_any = st.text(st.characters(exclude_categories=()), max_size=12)
texts = st.one_of(st.sampled_from(WORDS), _any, st.lists(st.sampled_from(WORDS) | _any, max_size=4).map("".join))
"""Any text, lone surrogates included, and more often one that is hostile."""

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""No test of text fails because the machine is busy."""
