"""Everything a plan rests on that was not measured here, listed by walking its records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.demand import Arrival, Demand
from aigc_bench.plan.records import Assumption, Machine, Rules


def assumptions_of(demand: Demand, *, rules: Rules, machine: Machine | None) -> tuple[Assumption, ...]:
    """One entry for every figure that is not measured; the key is its path, as ``plan --explain`` takes it."""
    roots: list[tuple[str, Record]] = [("demand", demand), ("rules", rules)]
    roots += [("machine", machine)] if machine is not None else []
    found = [pair for name, record in roots for pair in _walk(record, path=(name,))]
    return tuple(
        Assumption(key=".".join(path), title=_title(path), value=value)
        for path, value in found
        if value.basis not in ("measured", "interpolated") and "capabilities" not in path
    )


def _walk(record: Record, *, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Estimate]]:
    """Every Estimate below a record with its path, in the order of the fields; of a computed rate, what it is computed from."""
    for name in type(record).model_fields:
        value = getattr(record, name)
        if isinstance(record, Arrival) and name == "peak_requests_per_s":
            continue
        if isinstance(value, Estimate):
            yield (*path, name), value
        elif isinstance(record, Arrival) and isinstance(value, Mapping):
            yield from (((*path, key.replace(" ", "_")), part) for key, part in value.items())
        elif isinstance(value, Record):
            yield from _walk(value, path=(*path, name))
        elif isinstance(value, tuple):
            for entry in value:
                if isinstance(entry, Record):
                    yield from _walk(entry, path=(*path, name, str(getattr(entry, "name", "?"))))


def _title(path: tuple[str, ...]) -> str:
    """A path in words: what it is, of what."""
    what, owner = path[-1].replace("_", " "), path[-2]
    if owner == "rules":
        return what
    return f"{what} of {path[-3] if owner == 'arrival' else owner}"
