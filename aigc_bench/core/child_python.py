"""How this program starts a Python of its own: the current directory is not searched for modules.

``python -m`` and ``python -c`` put it first on ``sys.path``, where a ``json.py`` or ``torch.py`` in the folder of a demand
would be imported instead of the installed module.
"""

from __future__ import annotations

import sys

SAFE_PATH = {"PYTHONSAFEPATH": "1"}
"""Environment of processes that start a Python themselves (a compiler's workers)."""


def python(*words: str) -> list[str]:
    """The command line of this interpreter with ``words``, which begin with ``-m`` or ``-c``."""
    return [sys.executable, "-P", *words]
