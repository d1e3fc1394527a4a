"""Wrong arguments of the Python API are one line that names the argument, before anything is done."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import aigc_bench as ab
from aigc_bench import api
from aigc_bench.api.arguments import RULES
from aigc_bench.core.errors import AigcBenchError, UnknownNameError, UsageError
from aigc_bench.core.overview import Shown

ROOT = Path(__file__).resolve().parent.parent
FRAME = pd.DataFrame({"a": [1.0]})
HOSTILE = (5, 1.5, float("nan"), b"h100", {"a": object()}, object(), [object()], FRAME, [None], True)
OFFICE, SAMPLE = str(ROOT / "examples/office-20.toml"), str(ROOT / "reports/sample")


def _checked() -> list[tuple[str, str]]:
    functions = {name: one for name in api.__all__ if inspect.isfunction(one := getattr(api, name))}
    return [
        (name, parameter.name)
        for name, one in functions.items()
        for parameter in inspect.signature(one).parameters.values()
        # The fields of a query have a test of their own.
        if parameter.kind is not parameter.VAR_KEYWORD
    ]


@pytest.mark.parametrize(("function", "argument"), _checked(), ids="-".join)
def test_every_argument_refuses_what_it_cannot_take(function: str, argument: str) -> None:
    annotation = str(inspect.signature(getattr(api, function)).parameters[argument].annotation)
    rule, refused = RULES[annotation], 0
    for value in HOSTILE:
        try:
            rule(value, f"{function}: {argument}")
        except UsageError as problem:
            refused += 1
            assert str(problem).startswith(f"{function}: {argument} "), problem
            assert "\n" not in str(problem) and "<" not in str(problem) and len(str(problem)) < 250
    assert refused >= (len(HOSTILE) - 3 if annotation in ("int", "float | None") else len(HOSTILE) - 1)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ab.predict(5, accelerators="h100"), "predict: query takes the name of a workload or a Query, not int."),
        (
            lambda: ab.predict("gpt", accelerators=FRAME),
            "accelerators takes a text or a sequence of texts, not DataFrame.",
        ),
        (lambda: ab.predict("gpt", accelerators=["h100", 3]), "predict: accelerators takes a text, not int."),
        (lambda: ab.plan({"name": "x"}), "plan: demand takes the path of a demand file or a Demand, not dict."),
        (lambda: ab.plan(OFFICE, on="2026-01-01"), "plan: on takes a datetime.date, not str."),
        (lambda: ab.validate(FRAME), "Write it first: frame.to_csv('own.csv', index=False)."),
        (lambda: ab.validate("own.csv", by=[3]), "validate: by takes a text, not int."),
        (lambda: ab.compare(SAMPLE, SAMPLE, fail_above="5%"), "compare: fail_above takes a number, not str."),
        (lambda: ab.dry_run("smoke", level="fast"), "dry_run: level is 'fast': it must be 'quick' or 'default' or 'rigorous'."),
        (lambda: ab.dry_run("smoke", budget_s=-1), "dry_run: budget_s is -1: it must be from 0 to 1e+10."),
        (lambda: ab.run("smoke", find="min"), "run: find is 'min': it must be 'max-batch'."),
        (lambda: ab.run("smoke", seed=0.5), "run: seed takes a whole number, not float."),
        (lambda: ab.report(5), "report: runs takes a run or the path of its directory, not int."),
    ],
)
def test_a_wrong_argument_is_named_with_what_it_takes(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(UsageError) as raised:
        call()
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"mode": "x"}, "predict: mode is 'x': must be 'train' or 'infer'."),
        ({"batch_size": 10**30}, "must be less than or equal to 1000000."),
        ({"settings": "a"}, "predict: settings is 'a': must be a mapping."),
        ({"load": "5"}, "predict: load is '5': must be a mapping."),
        ({"model": {"hidden_size": 4}}, "must be a path or a text."),
        ({"engine": ""}, "predict: engine is ''"),
    ],
)
def test_a_query_names_its_wrong_field_in_words(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as raised:
        ab.Query("gpt/gpt2-124m", **fields)
    assert words in str(raised.value)
    with pytest.raises(UsageError, match="predict: "):
        ab.predict("gpt/gpt2-124m", accelerators="h100", **fields)


def test_an_unknown_field_of_a_query_or_its_load_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"predict: unknown field 'batchsize'. Did you mean batch_size\?"):
        ab.Query("gpt/gpt2-124m", batchsize=3)  # type: ignore[call-arg]
    with pytest.raises(UnknownNameError, match=r"predict: load: unknown field .rate"):
        ab.Query("gpt/gpt2-124m", load={"rate": 5.0})


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"changes": {"num_layers": 2}}, "changes override keys"), ({"model": "my-model", "what": "gpt/gpt2-124m"}, "are both given")],
)
def test_no_field_of_a_query_is_ignored_silently(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        ab.predict(ab.Query(**{"what": "gpt/gpt2-124m"} | fields), accelerators="h100")


def test_errors_name_keywords_in_python_and_flags_on_the_command_line() -> None:
    with pytest.raises(UsageError) as raised:
        ab.predict("gpt/gpt2-124m", accelerators="h100", engine="vllm", parallel="tp=4", devices=2)
    assert str(raised.value) == "parallel tp=4: 4 ranks do not divide 2 devices. Give devices a multiple of 4."
    with pytest.raises(UsageError, match=r"^load: the arrival rate is missing. Add rate_per_s "):
        ab.predict("gpt/gpt2-124m", accelerators="h100", engine="vllm", load={})
    with pytest.raises(UsageError, match=r"^changes 'x' must be KEY=VALUE\. Write changes services"):
        ab.plan(OFFICE, changes="x")
    # A command that is quoted in a hint stays one that can be typed.
    with pytest.raises(UsageError, match="aigc-bench run --profile cpu"):
        ab.run("h100")
    words = ["predict", "gpt/gpt2-124m", "-a", "h100", "--engine", "vllm", "--parallel", "tp=4", "--devices", "2"]
    typed = subprocess.run([sys.executable, "-m", "aigc_bench", *words], capture_output=True, text=True, check=False)
    assert typed.stderr == "error: --parallel tp=4: 4 ranks do not divide 2 devices. Give --devices a multiple of 4.\n"


def test_an_error_of_the_system_is_one_of_ours_in_python(tmp_path: Path) -> None:
    table = tmp_path / "own.csv"
    columns = "family,task,model,gpu,gpu_count,precision,software,batch,input_len,output_len,metric,value,unit"
    table.write_text(f"{columns}\nllm,infer-online,llama-3.1-8b,H100 SXM,1,bf16,vllm,32,1024,256,tpot,9.0,ms\n")
    with pytest.raises(AigcBenchError, match=r"^\S+: is a directory\.$"):
        ab.validate(table, rows_out=tmp_path)


def test_a_lone_name_path_or_generator_is_a_sequence() -> None:
    one = ab.dry_run("smoke", only="gpt/*")
    assert [case.workload for case in one.cases] == ["gpt"]
    assert ab.dry_run("smoke", only=(name for name in ["gpt/*"])) == one
    named = ab.predict("gpt/gpt2-124m", accelerators=pd.Series(["h100"]))
    assert named == ab.predict("gpt/gpt2-124m", accelerators="h100")


def test_changes_of_a_demand_are_a_mapping_or_texts() -> None:
    changes = {"services.assistant.users": 25, "constraints.without": ["cloud", "api"], "availability": 0.95}
    texts = ["services.assistant.users=25", 'constraints.without=["cloud", "api"]', "availability=0.95"]
    mapped, written = (ab.plan(OFFICE, accelerators="l40s", changes=one).demand for one in (changes, texts))
    assert mapped == written
    assert mapped.availability == 0.95


def test_what_the_api_returns_is_typed_to_have_html() -> None:
    shown = ab.dry_run("smoke")
    assert isinstance(shown, Shown)
    assert shown._repr_html_().startswith('<div class="aigc-bench">')
