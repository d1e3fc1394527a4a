"""Profiles of cases."""

from __future__ import annotations

import functools
import json
import random
import tomllib
from pathlib import Path
from typing import Any

from tests.fuzz import raw, trees, written
from tests.fuzz.kinds import ROOT, Kind
from tests.fuzz.outcome import Files
from tests.fuzz.values import Pairs

FILE = "profile.toml"


@functools.cache
def examples() -> tuple[Any, ...]:
    """The trees of the shipped profiles, long ones cut into parts of a few cases."""
    found = []
    for file in sorted((ROOT / "profiles").glob("*.toml")):
        tree = trees.tree_of(tomllib.loads(file.read_text("utf-8")))
        own = dict(tree)
        starts = range(0, len(own["case"]), 4)
        found += [Pairs({**own, "case": own["case"][start : start + 4]}.items()) for start in starts]
    return tuple(found)


def make(draw: random.Random) -> Files:
    """A part of a shipped profile with changes of its keys and values, or of its bytes."""
    kind = draw.random()
    tree = draw.choice(examples())
    if kind < 0.9:
        tree = trees.changed(tree, others=examples(), draw=draw, dialect="toml")
    content = written.as_toml(tree)
    if kind > 0.82:
        content = raw.broken(content, draw=draw, other=written.as_toml(draw.choice(examples())))
    return {FILE: content}


def read(folder: Path) -> None:
    """Read the profile and say what a run of it would be, as ``run --dry-run`` does."""
    from aigc_bench import api
    from aigc_bench.core.records import dump
    from aigc_bench.core.units import clock

    planned = api.dry_run(folder / FILE)
    json.dumps(dump(planned), allow_nan=False)
    assert clock(planned.expected_s) and all(case.id for case in planned.cases), "what is printed"


def _prepare() -> None:
    from aigc_bench.core import registry

    for name in registry.names("workloads"):
        registry.load("workloads", name)


KINDS = (
    Kind(
        name="profile",
        title="profiles",
        make=make,
        read=read,
        prepare=_prepare,
        commands=(
            ("run", "--profile", "{}/profile.toml", "--dry-run"),
            ("run", "--profile", "{}/profile.toml", "--dry-run", "--json"),
        ),
    ),
)
