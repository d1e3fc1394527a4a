"""Changes of nested tables that keep most of them sound: a value replaced, a key dropped, doubled or moved, a part exchanged.

A tree is what ``tree_of`` makes of TOML or JSON: ``Pairs`` for tables, lists, and plain values. Changes are made in place.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tests.fuzz.values import Pairs, Token, extreme

Spot = tuple[Any, int]
"""A container and the place in it: everything in a tree but its root has one."""


def tree_of(value: Any) -> Any:
    """A tree with ``Pairs`` for dictionaries."""
    if isinstance(value, Mapping):
        return Pairs((str(key), tree_of(inner)) for key, inner in value.items())
    return [tree_of(inner) for inner in value] if isinstance(value, list) else value


def spots(tree: Any) -> Iterator[Spot]:
    """Every place of a tree, from the top down."""
    if isinstance(tree, list):
        for at in range(len(tree)):
            yield tree, at
            yield from spots(value_at((tree, at)))


def value_at(spot: Spot) -> Any:
    """What stands there."""
    container, at = spot
    return container[at][1] if isinstance(container, Pairs) else container[at]


def put(spot: Spot, value: Any) -> None:
    """Replace what stands there."""
    container, at = spot
    container[at] = (container[at][0], value) if isinstance(container, Pairs) else value


def changed(tree: Any, *, others: Sequence[Any], draw: random.Random, dialect: str) -> Any:
    """A copy with one to a few changes; ``others`` lend it parts."""
    made = copy.deepcopy(tree)
    for _ in range(draw.choice((1, 1, 1, 1, 2, 2, 3, 5))):
        places = list(spots(made))
        if not places:
            return made
        spot = draw.choice(places)
        draw.choices(_CHANGES, weights=_WEIGHTS)[0](spot, draw=draw, others=others, dialect=dialect, tree=made)
    return made


def _to_extreme(spot: Spot, *, draw: random.Random, dialect: str, **_: Any) -> None:
    put(spot, extreme(draw, dialect=dialect))


def _scale(spot: Spot, *, draw: random.Random, tree: Any, **_: Any) -> None:
    """A number made larger or smaller, another sign, or a text of it: what a slip of the unit makes."""
    numbers = [place for place in spots(tree) if isinstance(value_at(place), int | float) and not isinstance(value_at(place), bool)]
    if not numbers:
        return
    place = draw.choice(numbers)
    value = value_at(place)
    factor = draw.choice((10.0 ** draw.randint(-20, 20), -1.0, 0.0, draw.uniform(0, 3)))
    put(place, draw.choice((_fitting(value, factor), str(value), [value], int(min(1e17, abs(value) * 3)), float(value))))


def _fitting(value: float, factor: float) -> float:
    scaled = value * factor
    return round(scaled) if isinstance(value, int) and abs(scaled) < 1e300 else scaled


def _drop(spot: Spot, **_: Any) -> None:
    del spot[0][spot[1]]


def _double(spot: Spot, *, draw: random.Random, **_: Any) -> None:
    container, at = spot
    times = 1 if draw.random() < 0.95 else 150
    for _time in range(times):
        container.insert(draw.randint(0, len(container)), copy.deepcopy(container[at % len(container)]))


def _rename(spot: Spot, *, draw: random.Random, tree: Any, **_: Any) -> None:
    container, at = spot
    if not isinstance(container, Pairs):
        return
    key, value = container[at]
    keys = [name for place, index in spots(tree) if isinstance(place, Pairs) for name in [place[index][0]]]
    odd = str(extreme(draw, dialect="json"))[:2_000]
    container[at] = (draw.choice((key[:-1], key + "s", key.upper(), draw.choice(keys), odd, key.replace("_", "-"))), value)


def _move(spot: Spot, *, draw: random.Random, tree: Any, **_: Any) -> None:
    container, at = spot
    moved = container.pop(at)
    homes = [tree, *(value_at(place) for place in spots(tree) if isinstance(value_at(place), list))]
    home = draw.choice(homes)
    value = moved[1] if isinstance(container, Pairs) else moved
    home.insert(
        draw.randint(0, len(home)),
        (moved[0] if isinstance(container, Pairs) else "moved", value) if isinstance(home, Pairs) else value,
    )


def _swap(spot: Spot, *, draw: random.Random, tree: Any, **_: Any) -> None:
    other = draw.choice(list(spots(tree)))
    first, second = copy.deepcopy(value_at(spot)), copy.deepcopy(value_at(other))
    put(spot, second)
    put(other, first)


def _retype(spot: Spot, **_: Any) -> None:
    """A table as a list of it, a list as its first entry, a text for a number and back."""
    value = value_at(spot)
    if isinstance(value, Pairs):
        put(spot, [value])
    elif isinstance(value, list):
        put(spot, value[0] if value else Pairs())
    elif isinstance(value, str) and not isinstance(value, Token):
        put(spot, Token(value or "0"))
    else:
        put(spot, Pairs([("value", value)]))


def _borrow(spot: Spot, *, draw: random.Random, others: Sequence[Any], **_: Any) -> None:
    """The value that the same key has in another example, else any part of it."""
    container, at = spot
    other = draw.choice(list(others))
    there = list(spots(other))
    if not there:
        return
    key = container[at][0] if isinstance(container, Pairs) else None
    same = [place for place in there if isinstance(place[0], Pairs) and place[0][place[1]][0] == key]
    put(spot, copy.deepcopy(value_at(draw.choice(same if same and draw.random() < 0.8 else there))))


def _adopt(spot: Spot, *, draw: random.Random, others: Sequence[Any], tree: Any, **_: Any) -> None:
    """A key of another example put into a table of this one."""
    other = [place for place in spots(draw.choice(list(others))) if isinstance(place[0], Pairs)]
    homes = [home for home in (tree, *(value_at(place) for place in spots(tree))) if isinstance(home, Pairs)]
    if other and homes:
        container, at = draw.choice(other)
        home = draw.choice(homes)
        there = [index for index, (key, _) in enumerate(home) if key == container[at][0]]
        if there and draw.random() < 0.9:
            put((home, there[0]), copy.deepcopy(value_at((container, at))))
        else:
            home.insert(draw.randint(0, len(home)), copy.deepcopy(container[at]))


Change = Callable[..., None]
_CHANGES: tuple[Change, ...] = (_to_extreme, _scale, _drop, _double, _rename, _move, _swap, _retype, _borrow, _adopt)
_WEIGHTS = (22, 34, 7, 4, 5, 3, 4, 5, 10, 6)
