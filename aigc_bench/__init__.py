"""aigc-bench: measure generative-AI workloads, predict them on other hardware, and plan the purchase.

``import aigc_bench as ab`` gives the Python API (``ab.run``, ``ab.load`` ...); nothing is imported until it is used.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aigc_bench.api import Query, compare, doctor, dry_run, load, metrics, plan, predict, report, resume, run, validate

__all__ = ["Query", "compare", "doctor", "dry_run", "load", "metrics", "plan", "predict", "report", "resume", "run", "validate"]


# PEP 562: ``import aigc_bench`` stays cheap, since the API imports pydantic.
def __getattr__(name: str) -> Any:
    if name in __all__:
        from aigc_bench import api

        return getattr(api, name)
    raise AttributeError(f"module 'aigc_bench' has no attribute {name!r}")


class _Package(type(sys)):  # type: ignore[misc]
    """``ab.report`` stays the function: importing the sub-package of that name does not put itself in its place."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in __all__ and isinstance(value, type(sys))):
            super().__setattr__(name, value)


# Python allows a module's class to be replaced; __setattr__ cannot be defined at module level.
sys.modules[__name__].__class__ = _Package
