"""From a profile (a TOML file) to cases. A profile is a named set of cases for one kind of machine.

    name = "a100"
    title = "NVIDIA A100"
    expects = ["a100_sxm_80gb"]             # catalogue ids; or "any", "cpu", "accelerator"
    level = "default"                       # quick | default | rigorous
    budget = "90m"

    [defaults]                              # for every case; [defaults.train] and [defaults.infer] for one mode
    backend = "cuda"
    train = { precision = "bf16" }

    [[case]]
    workload = "gpt"
    preset = "gpt2-124m"
    mode = ["train", "infer"]               # a list, here or in settings, expands to the product
    batch_size = [1, 8]
    settings = { seq_len = 1024 }           # the family's own settings
    infer = { engine = ["torch-eager", "torch-compile"] }
    pipeline = [false, { workers = 2, cache = "cold" }]     # or true: with the data pipeline, as it comes

What a case says wins over the defaults, and what it says for its mode wins over what it says for both; ``settings`` merge key
by key. All mistakes of a file are reported together, each with its place.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from aigc_bench.core import registry
from aigc_bench.core.document import cut, mistakes, read_toml, shown
from aigc_bench.core.errors import AigcBenchError, UnknownNameError, UsageError
from aigc_bench.core.messages import joined, message
from aigc_bench.core.pipeline import Cache, Pipeline
from aigc_bench.core.records import Attention, Case, Mode, Precision, Record, Scenario, Setting
from aigc_bench.core.run_records import AcceleratorInfo, System
from aigc_bench.core.toml_file import Mistake, check_kind, distinct_mistakes
from aigc_bench.core.units import parse_duration
from aigc_bench.core.user_folders import config_home

_NAME = r"[a-z0-9][a-z0-9_.-]*"

Level = Literal["quick", "default", "rigorous"]
Expectation: TypeAlias = Literal["any", "cpu", "accelerator"] | tuple[str, ...]


class Profile(Record):
    """A named set of cases. ``hash`` covers what is measured (level and cases), not how the file is written."""

    name: str
    title: str
    description: str = ""
    expects: Expectation = "any"
    level: Level = "default"
    budget_s: float | None = None
    cases: tuple[Case, ...]
    path: Path | None = None

    @property
    def hash(self) -> str:
        """sha256 of the level and the cases."""
        # Title, order of keys and comments of the file do not count: two profiles that measure the same are the same.
        content = {"level": self.level, "cases": [case.model_dump(mode="json") for case in self.cases]}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _as_tuple(value: object) -> object:
    """Return a list as a tuple and one value as a tuple of it; an empty list would give no case and is a mistake."""
    if value == []:
        raise ValueError(message("is an empty list; give at least one value, or leave the key out"))
    return tuple(value) if isinstance(value, list) else (value,)


def _as_seconds(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


_OneOrMore = BeforeValidator(_as_tuple)
# Strict, because pydantic would take true for 1 and "8" for 8.
_Count = Annotated[int, Field(ge=1, strict=True)]
# torch.Generator takes signed 64-bit seeds.
_Seed = Annotated[int, Field(ge=0, lt=2**63, strict=True)]
_Flag = Annotated[bool, Field(strict=True)]


class _PipelineTable(Record):
    """``pipeline = { workers = 4, cache = "cold" }``; a file that is passed on names no data: that is ``run --data``."""

    workers: Annotated[int, Field(ge=0, le=256, strict=True)] | None = None
    cache: Cache = "hot"


_PipelineChoice = _Flag | _PipelineTable


class _Choices(Record):
    """The keys of a case as a file may write them: one value or a list."""

    preset: Annotated[tuple[str, ...] | None, _OneOrMore] = None
    scenario: Annotated[tuple[Scenario, ...] | None, _OneOrMore] = None
    engine: Annotated[tuple[str, ...] | None, _OneOrMore] = None
    precision: Annotated[tuple[Precision, ...] | None, _OneOrMore] = None
    batch_size: Annotated[tuple[_Count, ...] | None, _OneOrMore] = None
    devices: Annotated[tuple[_Count, ...] | None, _OneOrMore] = None
    backend: str | None = None
    attention: Annotated[tuple[Attention, ...] | None, _OneOrMore] = None
    gradient_checkpointing: Annotated[tuple[_Flag, ...] | None, _OneOrMore] = None
    threads: Annotated[tuple[_Count, ...] | None, _OneOrMore] = None
    seed: Annotated[tuple[_Seed, ...] | None, _OneOrMore] = None
    pipeline: Annotated[tuple[_PipelineChoice, ...] | None, _OneOrMore] = None
    timeout_s: float | None = Field(default=None, gt=0, le=1e9, allow_inf_nan=False, strict=True)
    settings: Mapping[str, Annotated[tuple[Setting, ...], _OneOrMore]] = Field(default_factory=dict)


class _Defaults(_Choices):
    train: _Choices = _Choices()
    infer: _Choices = _Choices()


class _CaseTable(_Defaults):
    workload: str
    mode: Annotated[tuple[Mode, ...], _OneOrMore] = ("train", "infer")


def _checked_name(text: str) -> str:
    if re.fullmatch(_NAME, text) is None:
        raise ValueError(message("use lower-case letters, digits, '-', '_' and '.'"))
    return text


class _ProfileFile(Record):
    """A profile as it is written."""

    name: Annotated[str, AfterValidator(_checked_name)]
    title: str
    description: str = ""
    expects: Literal["any", "cpu", "accelerator"] | Annotated[tuple[str, ...], Field(min_length=1)] = "any"
    level: Level = "default"
    budget: Annotated[float | None, BeforeValidator(_as_seconds)] = Field(default=None, gt=0, le=1e9, allow_inf_nan=False)
    defaults: _Defaults = _Defaults()
    case: tuple[_CaseTable, ...] = ()


def load_profile(path: Path | str) -> Profile:
    """Read and check a profile; raises ``UsageError`` that names the file and every key that is wrong."""
    file = Path(path)
    raw = read_toml(file)
    check_kind(raw, wanted="profile", file=file)
    try:
        written = _ProfileFile.model_validate(raw)
    except ValidationError as problem:
        raise mistakes(file, [_explain(mistake, raw) for mistake in distinct_mistakes(problem, raw)]) from None
    cases, problems = _expand_all(written)
    expects, unknown = _accelerators(written.expects)
    problems += unknown
    if problems:
        raise mistakes(file, problems)
    return Profile(
        name=written.name,
        title=written.title,
        description=written.description.strip(),
        expects=expects,
        level=written.level,
        budget_s=written.budget,
        cases=tuple(cases),
        path=file,
    )


def _expand_all(written: _ProfileFile) -> tuple[list[Case], list[str]]:
    """All cases, and the mistakes that only the families themselves can see."""
    cases: list[Case] = []
    problems: list[str] = []
    for number, table in enumerate(written.case, start=1):
        place = message("case {number} ({workload})", number=number, workload=table.workload)
        for mode in table.mode:
            try:
                found = list(_expand(table, defaults=written.defaults, mode=mode))
                for case in found:
                    _check_case(case)
                cases += found
            except AigcBenchError as problem:
                problems.append(f"{place}: {problem}".rstrip("."))
    if not written.case:
        problems.append(message("it has no [[case]]"))
    counts = Counter(case.id for case in cases)
    problems += [
        message("case {case_id} appears {count} times", case_id=case_id, count=count)
        for case_id, count in counts.items()
        if count > 1
    ]
    # A mistake shows once in each mode.
    return cases, list(dict.fromkeys(problems))


def _expand(table: _CaseTable, *, defaults: _Defaults, mode: Mode) -> Iterator[Case]:
    """The product of a table's lists for one mode, later keys varying fastest."""
    # Later layers win.
    layers = (defaults, getattr(defaults, mode), table, getattr(table, mode))
    chosen: dict[str, Any] = {}
    settings: dict[str, tuple[Setting, ...]] = {}
    for layer in layers:
        chosen |= {
            key: getattr(layer, key) for key in _Choices.model_fields if key != "settings" and getattr(layer, key) is not None
        }
        settings |= layer.settings
    if "preset" not in chosen:
        raise UsageError(message("preset is missing."))
    lists = {key: value if isinstance(value, tuple) else (value,) for key, value in chosen.items()}
    for values in itertools.product(*lists.values(), *settings.values()):
        fixed = dict(zip(lists, values[: len(lists)], strict=True))
        fixed["pipeline"] = _pipeline(fixed.get("pipeline", False))
        own = dict(zip(settings, values[len(lists) :], strict=True))
        yield Case(workload=table.workload, mode=mode, settings=own, **fixed)


def _pipeline(choice: bool | _PipelineTable) -> Pipeline | None:
    if isinstance(choice, bool):
        return Pipeline() if choice else None
    return Pipeline(workers=choice.workers, cache=choice.cache)


def _check_case(case: Case) -> None:
    """Raise ``UsageError`` where a name or setting is not known. A file never names code: only a command line may."""
    if ":" in case.workload:
        raise UsageError(
            message("workload {workload!r}: a profile names no code.", workload=case.workload),
            message("Use aigc-bench run --model module:function."),
        )
    registry.load("workloads", case.workload).validate(case)
    for group, kind, name in (("engines", "engine", case.engine), ("accelerators", "backend", case.backend)):
        known = registry.names(group)
        if name not in known:
            raise UnknownNameError(kind, name, known=known)


def _accelerators(expects: Expectation) -> tuple[Expectation, list[str]]:
    """What a profile expects as ids of the catalogue (``h100`` is a spelling of one), and the names that are none."""
    if isinstance(expects, str):
        return expects, []
    from aigc_bench.catalog.loader import usable_catalogue

    catalogue = usable_catalogue()
    ids: list[str] = []
    unknown: list[str] = []
    for name in expects:
        try:
            ids.append(catalogue.accelerator(name).id)
        except UnknownNameError as problem:
            unknown.append(message("expects: {problem}", problem=problem))
    return tuple(dict.fromkeys(ids)), unknown


def _explain(mistake: Mistake, raw: Mapping[str, Any]) -> str:
    """``case 2 (gpt), batch_size = 0: must be greater than or equal to 1``."""
    place = mistake.place
    prefix = ""
    if place[:1] == ("case",) and len(place) > 1 and isinstance(place[1], int):
        table = raw["case"][place[1]]
        workload = table.get("workload", "?") if isinstance(table, Mapping) else "?"
        prefix, place = message("case {number} ({workload})", number=place[1] + 1, workload=cut(str(workload))), place[2:]
    names = [str(part) for part in place if isinstance(part, str)]
    key = ".".join(names)
    before = f"{prefix}, " if prefix else ""
    if mistake.kind == "extra_forbidden":
        return f"{before}{UnknownNameError('key', key, known=_known_keys(mistake.place, names))}"
    if mistake.kind == "missing":
        return message("{before}{key} is missing", before=before, key=key)
    return f"{f'{before}{key}' if key else prefix} = {shown(mistake.value)}: {mistake.words}"


def _known_keys(place: Sequence[object], names: Sequence[str]) -> list[str]:
    """The keys that are allowed where an unknown one was met, written with the same prefix."""
    parents = names[:-1]
    record: type[Record] = _CaseTable if place[0] == "case" else _ProfileFile
    if parents and parents[-1] in ("train", "infer"):
        record = _Choices
    elif parents[:1] == ["defaults"]:
        record = _Defaults
    return [".".join([*parents, field]) for field in record.model_fields]


def shipped_folder() -> Path:
    """Return the folder of the shipped profiles: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "profiles"
    return inside if inside.is_dir() else package.parent / "profiles"


def user_folder() -> Path | None:
    """Return the folder of a user's own profiles; it need not exist. ``None`` for a user without a home."""
    base = config_home()
    return None if base is None else base / "aigc-bench" / "profiles"


def profile_files() -> dict[str, Path]:
    """Name -> file of all profiles, sorted; a user's own wins over a shipped one of the same name."""
    folders = (shipped_folder(), user_folder())
    found = {file.stem: file for folder in folders if folder is not None and folder.is_dir() for file in folder.glob("*.toml")}
    return dict(sorted(found.items()))


def find_profile(name: str | Path) -> Profile:
    """The profile of that name, or the one in that file (``./mine.toml``); raises ``UsageError``, with the nearest names."""
    text = str(name)
    if isinstance(name, Path) or text.endswith(".toml") or os.sep in text:
        return load_profile(name)
    files = profile_files()
    if text not in files:
        raise UnknownNameError("profile", text, known=files)
    return load_profile(files[text])


def new_profile(name: str, *, source: str | Path = "smoke", out: Path | str | None = None) -> Path:
    """Copy a profile under a new name, comments and all, to be edited; raises ``UsageError`` where the file exists."""
    original = find_profile(source).path
    assert original is not None, "a profile that was found has a file"
    if not re.fullmatch(_NAME, name):
        raise UsageError(message("profile name {name!r}: use lower-case letters, digits, '-', '_' and '.'.", name=name))
    file = Path(out) if out is not None else _own_file(name)
    text = re.sub(r"^name\s*=.*$", f'name = "{name}"', original.read_text(encoding="utf-8"), count=1, flags=re.MULTILINE)
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        # "x" fails where the file exists, without a moment between the check and the writing.
        with file.open("x", encoding="utf-8") as handle:
            handle.write(text)
    except FileExistsError:
        raise UsageError(
            message("{file}: already exists.", file=file), message("Give another name, or another file with --out.")
        ) from None
    return file


def _own_file(name: str) -> Path:
    folder = user_folder()
    if folder is None:
        raise UsageError(
            message("profile {name!r}: this user has no home folder to save it in.", name=name), message("Name a file with --out.")
        )
    return folder / f"{name}.toml"


def matching_profile(system: System) -> Profile:
    """The shipped profile that fits: that of the first accelerator, ``gpu`` where it has none of its own, ``cpu`` without one."""
    files = sorted(shipped_folder().glob("*.toml"))
    shipped = {file.stem: load_profile(file) for file in files}
    for accelerator in system.accelerators:
        for profile in shipped.values():
            if isinstance(profile.expects, tuple) and accelerator.catalog_id in profile.expects:
                return profile
    return shipped["gpu" if system.accelerators else "cpu"]


def check_machine(profile: Profile, system: System) -> None:
    """Raise ``UsageError`` where the machine lacks what the profile expects; it names both and a profile that fits."""
    if profile.expects in ("any", "cpu") or _has_expected(profile, system.accelerators):
        return
    expected = message("an accelerator") if isinstance(profile.expects, str) else " or ".join(profile.expects)
    unknown = message("not in the catalogue")
    names = (message("{name} ({id})", name=device.name, id=device.catalog_id or unknown) for device in system.accelerators)
    found = joined(", ", names)
    fits = matching_profile(system).name
    raise UsageError(
        message(
            "profile {name!r} expects {expected}; found {found}.",
            name=profile.name,
            expected=expected,
            found=found or message("no accelerator, only the CPU ({cpu_model})", cpu_model=system.cpu_model),
        ),
        message("The profile that fits this machine is {fits!r}: aigc-bench run --profile {fits}", fits=fits),
    )


def _has_expected(profile: Profile, accelerators: Sequence[AcceleratorInfo]) -> bool:
    if isinstance(profile.expects, str):
        return bool(accelerators)
    return any(device.catalog_id in profile.expects for device in accelerators)
