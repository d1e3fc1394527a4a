"""Nothing that a file names is imported: every kind of file the program reads names code of three kinds, and none of it runs.

``os:abort`` would end the process, a module in the current directory and an installed one leave a marker when they are imported.
"""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from aigc_bench.cli import main
from aigc_bench.core.records import Case, OwnModel
from aigc_bench.predict.published.row import COLUMNS
from tests.analyze.synthetic import GPU, make_run
from tests.own_models import QWEN, write_model, write_pipeline
from tests.predict.test_machine_card import host_run
from tests.predict.validation.test_own_runs import ON_H100

NAMES = ("os:abort", "left_here:make", "installed_here:make")
LEAVES_A_MARKER = "from pathlib import Path\nPath(__file__).with_suffix('.imported').touch()\ndef make():\n    return None\n"
SERVICE = '[[service]]\nname = "all"\nrate = 1\n{}\n[service.slo]\nlatency = "5s"\n'
LANGUAGE = 'workload = "gpt"\npreset = "gpt2-124m"\ninput_tokens = 8\noutput_tokens = 8\n'
CHAT = SERVICE.format(LANGUAGE)


@dataclass(frozen=True, kw_only=True)
class Place:
    """A current directory with a module in it, and a folder of installed modules."""

    here: Path
    installed: Path

    def write(self, name: str, text: str) -> str:
        (self.here / name).parent.mkdir(parents=True, exist_ok=True)
        (self.here / name).write_text(text, encoding="utf-8")
        return name

    def demand(self, text: str) -> Sequence[str]:
        return ("plan", self.write("demand.toml", f'name = "mailed"\n{text}'))

    def run(self, name: str = "own", *, workload: str | None = None) -> str:
        """A finished run on an H100; with ``workload`` also of a case whose workload is that."""
        cases = [Case(workload="vae", preset="conv-64", mode="infer", backend="cuda", precision="bf16")]
        if workload is not None:
            model = OwnModel(path=workload, sha256="0" * 64, is_code=True)
            cases.append(Case(workload=workload, preset="mine", mode="infer", backend="cuda", precision="bf16", model=model))
        make_run(self.here / name, cases=cases, devices=(GPU,), system=ON_H100)
        return name

    def mailed(self, workload: str) -> str:
        return self.run("mailed", workload=workload)

    def probes(self, workload: str) -> str:
        """The probes of a processor, with a case of that workload among them."""
        run = host_run(self.here / "probes")
        info = run.info.model_copy(update={"cases": (*run.info.cases, Case(workload=workload, preset="mine", mode="infer"))})
        (run.path / "run.json").write_text(info.model_dump_json())
        return "probes"

    def left(self) -> list[str]:
        return [file.name for folder in (self.here, self.installed) for file in folder.rglob("*.imported")]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    found = Place(here=tmp_path / "here", installed=tmp_path / "installed")
    found.installed.mkdir()
    found.write("left_here.py", LEAVES_A_MARKER)
    (found.installed / "installed_here.py").write_text(LEAVES_A_MARKER)
    monkeypatch.chdir(found.here)
    monkeypatch.syspath_prepend(str(found.installed))
    monkeypatch.setattr(os, "abort", lambda: (found.here / "os.imported").touch())
    monkeypatch.setenv("XDG_CONFIG_HOME", str(found.here / "config"))
    yield found
    imported = {"left_here", "installed_here"} & sys.modules.keys()
    for name in imported:
        del sys.modules[name]
    assert found.left() == []
    assert not imported
    assert not {"", str(found.here)} & {*sys.path}


Words = Callable[[Place, str], Sequence[str]]


def table(place: Place, cells: dict[str, str]) -> Sequence[str]:
    file = io.StringIO()
    writer = csv.DictWriter(file, fieldnames=(*COLUMNS, "config_json"))
    writer.writeheader()
    base = {"family": "vae", "task": "infer", "model": "conv-64", "gpu": "h100_sxm_80gb", "gpu_count": "1", "precision": "fp32"}
    more = {"software": "torch-eager", "batch": "1", "metric": "throughput", "value": "1", "unit": "images/s"}
    writer.writerow({**base, **more, **cells})
    return ("validate", place.write("table.csv", file.getvalue()))


def mailed_case(place: Place, name: str) -> Sequence[str]:
    case = Case(workload=name, preset="conv-64", mode="infer").model_dump(mode="json")
    return table(place, {"config_json": json.dumps({"case": case})})


def profile(place: Place, **keys: str) -> Sequence[str]:
    case = {"workload": "vae", "preset": "conv-64", "mode": "infer", **keys}
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in case.items())
    return ("run", "--dry-run", "--profile", place.write("mailed.toml", f'name = "mailed"\ntitle = "Mailed"\n[[case]]\n{lines}'))


def own_config(place: Place, *, command: Sequence[str] = ("run", "--dry-run"), **keys: object) -> Sequence[str]:
    write_model(place.here / "model", QWEN, **keys)
    return (*command, "--model", "model")


def predicted(place: Place, **keys: object) -> Sequence[str]:
    return own_config(place, command=("predict", "-a", "h100_sxm_80gb"), **keys)


def pipeline_of(place: Place, name: str) -> Sequence[str]:
    """A diffusers folder whose index names a pipeline and the library of a part."""
    folder = write_pipeline(place.here / "model", "FluxPipeline")
    index = json.loads((folder / "model_index.json").read_text())
    module, _, function = name.partition(":")
    (folder / "model_index.json").write_text(json.dumps({**index, "_class_name": [module, function], "vae": [module, function]}))
    return ("run", "--dry-run", "--model", str(folder))


def catalogue(place: Place, name: str, *words: str) -> Sequence[str]:
    folder = Path(os.environ["XDG_CONFIG_HOME"]) / "aigc-bench" / "catalog"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mine.toml").write_text(f'[accelerators.mine]\nlike = {json.dumps(name)}\nsource = "x"\nas_of = "2026-01"\n')
    return words


TRAINING = '[[training]]\nname = "all"\nsamples = 1000\ndeadline = "1d"\n'
BATCH = '[[batch]]\nname = "all"\nitems = 1000\ndeadline = "1d"\n'
REFUSED: dict[str, Words] = {
    "workload of a service": lambda place, name: place.demand(SERVICE.format(f'workload = "{name}"\npreset = "x"')),
    "model of a service": lambda place, name: place.demand(SERVICE.format(f'model = "{name}"')),
    "engine of a service": lambda place, name: place.demand(SERVICE.format(f'{LANGUAGE}engines = ["{name}"]')),
    "workload of a batch": lambda place, name: place.demand(f'{BATCH}workload = "{name}"\npreset = "x"\n'),
    "model of a batch": lambda place, name: place.demand(f'{BATCH}model = "{name}"\n'),
    "workload of a training": lambda place, name: place.demand(f'{TRAINING}workload = "{name}"\npreset = "x"\n'),
    "model of a training": lambda place, name: place.demand(f'{TRAINING}model = "{name}"\n'),
    "demand of a report": lambda place, name: (
        "report", place.run(), "--out", "r.html", "--demand", place.demand(SERVICE.format(f'model = "{name}"'))[1],
    ),
    "workload of a profile": lambda place, name: profile(place, workload=name),
    "engine of a profile": lambda place, name: profile(place, engine=name),
    "backend of a profile": lambda place, name: profile(place, backend=name),
    "preset of a profile": lambda place, name: profile(place, preset=name),
    "profile that is predicted": lambda place, name: ("predict", "-a", "h100", *profile(place, workload=name)[2:]),
    "run to resume": lambda place, name: ("run", "--resume", place.mailed(name)),
    "auto_map of a model that no library has": lambda place, name: own_config(
        place, model_type="theirs", auto_map={"AutoModelForCausalLM": name.replace(":", ".")}
    ),
    "model_type of a model": lambda place, name: own_config(place, model_type=name, architectures=[f"{name}ForCausalLM"]),
    "index of a pipeline": pipeline_of,
    "row of a catalogue": lambda place, name: catalogue(place, name, "show", "h100_sxm_80gb"),
    "trace of requests": lambda place, name: (
        "predict", "gpt/llama-3.1-8b", "-a", "h100", "--engine", "vllm", "--scenario", "server", "--rate", "1", "--trace",
        place.write("trace.csv", f"arrival_s,input_tokens,output_tokens\n0,{name},4\n1,8,{name}\n"),
    ),
    "trace of a demand": lambda place, name: place.demand(
        CHAT.replace("rate = 1", f'trace = "{place.write("trace.csv", f"arrival_s{chr(10)}{name}{chr(10)}1{chr(10)}")}"')
    ),
}  # fmt: skip
"""Kind of file -> the command that meets the name in it; one line refuses it, exit 1 or 2."""

READ: dict[str, Words] = {
    "run that is shown": lambda place, name: ("show", place.mailed(name)),
    "run that is published": lambda place, name: ("show", place.mailed(name), "--as", "published"),
    "run that is compared": lambda place, name: ("compare", place.run(), place.mailed(name)),
    "run that is the base of a comparison": lambda place, name: ("compare", place.mailed(name), place.run()),
    "run that is reported": lambda place, name: ("report", place.mailed(name)),
    "run that is reported with others": lambda place, name: ("report", place.run(), place.mailed(name), "-o", "both.html"),
    "run that is planned with": lambda place, name: (*place.demand(CHAT), "--run", place.mailed(name), "--accelerator", "l4"),
    "run at the end of whose report is a plan": lambda place, name: (
        "report", place.mailed(name), "--out", "r.html", "--demand", place.demand(CHAT)[1],
    ),
    "run that calibrates": lambda place, name: ("predict", "vae/conv-64", "-a", "h100", "--run", place.mailed(name)),
    "run that is an accelerator": lambda place, name: ("predict", "vae/conv-64", "-a", f"@{place.probes(name)}"),
    "row of a table": mailed_case,
    "family of a table": lambda place, name: table(place, {"family": name, "model": name}),
    "software of a table": lambda place, name: table(place, {"software": name}),
    "tokenizer of a model": lambda place, name: (
        place.write("model/tokenizer_config.json", json.dumps({"auto_map": {"AutoTokenizer": [name]}, "tokenizer_class": name})),
        place.write("model/generation_config.json", json.dumps({"custom_generate": name})),
        place.write("model/modeling_left_here.py", LEAVES_A_MARKER),
        *own_config(place),
    )[3:],
    "auto_map of a model": lambda place, name: own_config(place, auto_map={"AutoModelForCausalLM": name.replace(":", ".")}),
    "auto_map of a part": lambda place, name: own_config(place, vision_notes={"inner": [{"auto_map": {"AutoConfig": name}}]}),
    "custom_generate of a model": lambda place, name: own_config(place, custom_generate=name),
    "attention of a model": lambda place, name: own_config(
        place, attn_implementation=name, _attn_implementation=name, _attn_implementation_internal=name
    ),
}  # fmt: skip
"""Kind of file -> the command that reads past the name: the numbers are there, or the row is told as not answered."""

SLOW = ("run that is planned with", "run at the end of whose report is a plan", "run that is an accelerator")
"""Kinds that take seconds: one name is enough."""


def outcome(words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main([*words])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", REFUSED)
def test_code_in_a_file_is_refused_in_one_line_and_not_imported(
    place: Place, kind: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, said = outcome(REFUSED[kind](place, name), capsys)
    assert code in (1, 2), said
    assert len(said.strip().splitlines()) == 1, said
    assert "fault of aigc-bench" not in said


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in READ for name in (NAMES[1:2] if kind in SLOW else NAMES)])
def test_files_made_with_somebodys_code_are_read_without_it(
    place: Place, kind: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, said = outcome(READ[kind](place, name), capsys)
    assert "fault of aigc-bench" not in said
    if "table" in kind:
        assert code == 1, said
        assert "1 row" in out, out
    else:
        assert code == 0, said
