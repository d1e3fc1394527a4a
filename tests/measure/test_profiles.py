"""Profiles: what a file may say, how it becomes cases, and which one fits a machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aigc_bench.core import registry
from aigc_bench.core.errors import UnknownNameError, UsageError
from aigc_bench.core.records import Case
from aigc_bench.core.run_records import AcceleratorInfo, System
from aigc_bench.measure.profiles import (
    Profile,
    check_machine,
    find_profile,
    load_profile,
    matching_profile,
    new_profile,
    profile_files,
    shipped_folder,
    user_folder,
)

HEAD = 'name = "mine"\ntitle = "Mine"\n'
GPU_PROFILES = ("a100", "a100-40gb", "h100", "h200", "l40s", "rtx4090")
FAMILIES = tuple(name for name in registry.names("workloads") if not name.startswith("probe_"))
EVERYTHING = {(family, mode) for family in FAMILIES for mode in registry.load("workloads", family).modes}
TOO_LARGE = {name: {("video_diffusion", "train")} for name in ("a100-40gb", "l40s", "rtx4090")}
TOO_LARGE["rtx4090"] |= {("multimodal", "train")}
"""What has no published size that fits."""
PARTLY_TRAINED = ("diffusion_transformer", "video_diffusion")
"""Families whose text encoders, most of their parameters, are frozen."""


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for the user's own profiles."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "aigc-bench" / "profiles"


def written(folder: Path, text: str, *, name: str = "mine") -> Path:
    file = folder / f"{name}.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def cases_of(folder: Path, text: str) -> tuple[Case, ...]:
    return load_profile(written(folder, HEAD + text)).cases


def mistake_of(folder: Path, text: str) -> str:
    with pytest.raises(UsageError) as caught:
        load_profile(written(folder, text))
    assert caught.value.exit_code == 2
    return str(caught.value)


def machine(*catalog_ids: str | None) -> System:
    accelerators = tuple(
        AcceleratorInfo(index=i, name=f"Device {name}", uuid=f"GPU-{i}", backend="cuda", catalog_id=name)
        for i, name in enumerate(catalog_ids)
    )
    return System(
        host_id="h",
        os="Linux",
        kernel="6",
        cpu_model="Some CPU",
        num_cores=2,
        num_usable_cores=2.0,
        memory_bytes=1,
        accelerators=accelerators,
    )


def test_lists_expand_to_their_product(tmp_path: Path) -> None:
    cases = cases_of(
        tmp_path,
        """
        [[case]]
        workload = "vae"
        preset = "conv-64"
        mode = ["train", "infer"]
        batch_size = [1, 8]
        precision = ["fp32", "bf16"]
        """,
    )
    assert len(cases) == 8
    assert {(case.mode, case.batch_size, case.precision) for case in cases} == {
        (mode, size, precision) for mode in ("train", "infer") for size in (1, 8) for precision in ("fp32", "bf16")
    }


def test_lists_in_settings_expand_too(tmp_path: Path) -> None:
    cases = cases_of(
        tmp_path, '[[case]]\nworkload="bert"\npreset="tiny"\nmode="infer"\nbatch_size=[1, 2]\nsettings = { seq_len = [16, 32] }\n'
    )
    assert [(case.batch_size, case.settings["seq_len"]) for case in cases] == [(1, 16), (1, 32), (2, 16), (2, 32)]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    sizes=st.lists(st.integers(1, 64), min_size=1, max_size=4, unique=True),
    lengths=st.lists(st.integers(8, 64), min_size=1, max_size=4, unique=True),
    modes=st.sampled_from([["train"], ["infer"], ["train", "infer"]]),
)
def test_the_number_of_cases_is_the_product_of_the_lists(
    tmp_path: Path, sizes: list[int], lengths: list[int], modes: list[str]
) -> None:
    text = f'[[case]]\nworkload="bert"\npreset="tiny"\nmode={modes}\nbatch_size={sizes}\nsettings={{ seq_len = {lengths} }}\n'
    cases = cases_of(tmp_path, text)
    assert len(cases) == len(sizes) * len(lengths) * len(modes) == len({case.id for case in cases})


def test_the_narrower_saying_wins(tmp_path: Path) -> None:
    cases = cases_of(
        tmp_path,
        """
        [defaults]
        precision = "fp32"
        batch_size = 4
        train = { precision = "bf16", settings = { seq_len = 16 } }

        [[case]]
        workload = "bert"
        preset = "tiny"
        settings = { seq_len = 32 }
        infer = { batch_size = 2 }
        """,
    )
    train, infer = cases
    assert (train.precision, train.batch_size, train.settings["seq_len"]) == ("bf16", 4, 32)
    assert (infer.precision, infer.batch_size, infer.settings["seq_len"]) == ("fp32", 2, 32)


def test_settings_merge_key_by_key(tmp_path: Path) -> None:
    text = """
        [[case]]
        workload = "gpt"
        preset = "tiny"
        mode = "infer"
        settings = { prompt_len = 16, max_new_tokens = 4 }
        infer = { settings = { max_new_tokens = 8 } }
        """
    assert dict(cases_of(tmp_path, text)[0].settings) == {"prompt_len": 16, "max_new_tokens": 8}


def test_a_case_is_measured_in_both_modes_by_default(tmp_path: Path) -> None:
    assert [case.mode for case in cases_of(tmp_path, '[[case]]\nworkload="vae"\npreset="conv-64"\n')] == ["train", "infer"]


def test_budget_is_read_as_a_duration(tmp_path: Path) -> None:
    case = '[[case]]\nworkload="vae"\npreset="conv-64"\n'
    assert load_profile(written(tmp_path, HEAD + 'budget = "1h30m"\n' + case)).budget_s == 5400.0
    assert "is not a duration" in mistake_of(tmp_path, HEAD + 'budget = "soon"\n' + case)


def test_every_mistake_is_reported_together_with_file_and_key(tmp_path: Path) -> None:
    message = mistake_of(
        tmp_path,
        """
        name = "Bad Name"
        titel = "no title"
        level = "slow"

        [[case]]
        workload = "vae"
        preset = "conv-64"
        batch_sise = 3

        [[case]]
        workload = "gpt"
        preset = "tiny"
        batch_size = [1, 0]
        precision = "fp8"
        """,
    )
    assert message.startswith(f"{tmp_path / 'mine.toml'}: 7 mistakes:")
    for phrase in (
        "name = 'Bad Name'",
        "title is missing",
        "unknown key 'titel'. Did you mean title?",
        "level = 'slow'",
        "case 1 (vae), unknown key 'batch_sise'. Did you mean batch_size?",
        "case 2 (gpt), batch_size = 0: must be greater than or equal to 1",
        "case 2 (gpt), precision = 'fp8': must be 'fp32', 'tf32', 'bf16' or 'fp16'",
    ):
        assert phrase in message


def test_what_only_a_family_knows_is_reported_with_its_case(tmp_path: Path) -> None:
    message = mistake_of(
        tmp_path,
        HEAD
        + """
        [[case]]
        workload = "gtp"
        preset = "tiny"

        [[case]]
        workload = "gpt"
        preset = "gpt2-24m"

        [[case]]
        workload = "bert"
        preset = "tiny"
        engine = "torch-compil"

        [[case]]
        workload = "bert"
        preset = "tiny"
        settings = { seq_length = 8 }

        [[case]]
        workload = "vae"
        """,
    )
    assert "5 mistakes" in message
    for phrase in (
        "case 1 (gtp): unknown workload 'gtp'. Did you mean gpt?",
        "case 2 (gpt): unknown gpt preset 'gpt2-24m'. Did you mean gpt2-124m",
        "case 3 (bert): unknown engine 'torch-compil'. Did you mean torch-compile",
        "case 4 (bert): bert/tiny: unknown setting 'seq_length'",
        "case 5 (vae): preset is missing",
    ):
        assert phrase in message


def test_one_mistake_is_one_line(tmp_path: Path) -> None:
    assert "\n" not in mistake_of(tmp_path, HEAD + '[[case]]\nworkload="vae"\npreset="conv-64"\nbatch_size = "8"\n')


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("name = [", "not TOML"),
        (HEAD, "it has no [[case]]"),
        (HEAD + "case = []", "it has no [[case]]"),
        (HEAD + '[[case]]\nworkload="vae"\npreset="conv-64"\nbatch_size=true\n', "batch_size = true"),
        (HEAD + '[[case]]\nworkload="vae"\npreset="conv-64"\nmode="inference"\n', "mode = 'inference'"),
        (HEAD + '[[case]]\nworkload="vae"\npreset="conv-64"\n[[case]]\nworkload="vae"\npreset="conv-64"\n', "appears 2 times"),
        (HEAD + 'expects = ["a1000"]\n[[case]]\nworkload="vae"\npreset="conv-64"\n', "unknown accelerator 'a1000'"),
        (HEAD + 'expects = "gpu"\n[[case]]\nworkload="vae"\npreset="conv-64"\n', "expects = 'gpu'"),
        (HEAD + '[defaults]\nworkload="vae"\n[[case]]\nworkload="vae"\npreset="conv-64"\n', "unknown key 'defaults.workload'"),
        (HEAD + '[[case]]\nworkload="vae"\npreset="conv-64"\ntrain={ mode="infer" }\n', "unknown key 'train.mode'"),
        (HEAD + '[[case]]\nworkload="vae"\npreset="conv-64"\nbackend="cdua"\n', "unknown backend 'cdua'. Did you mean cuda"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, phrase: str) -> None:
    assert phrase in mistake_of(tmp_path, text)


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        find_profile(tmp_path / "none.toml")


def test_an_unknown_profile_name_lists_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean h100"):
        find_profile("h10")


def test_hash_is_of_what_is_measured_not_of_how_it_is_written(tmp_path: Path) -> None:
    case = '[[case]]\nworkload="vae"\npreset="conv-64"\n'
    plain = load_profile(written(tmp_path, HEAD + case))
    renamed = load_profile(written(tmp_path, '# a comment\nname = "other"\ntitle = "Other"\n' + case + 'precision = ["fp32"]\n'))
    other = load_profile(written(tmp_path, HEAD + case + "batch_size = 2\n"))
    slower = load_profile(written(tmp_path, HEAD + 'level = "rigorous"\n' + case))
    assert plain.hash == renamed.hash
    assert len({plain.hash, other.hash, slower.hash}) == 3


# The shipped profiles


def test_every_shipped_profile_is_named_like_its_file() -> None:
    shipped = [load_profile(file) for file in shipped_folder().glob("*.toml")]
    assert {profile.name for profile in shipped} >= {"smoke", "cpu", "gpu", *GPU_PROFILES}
    assert all(profile.path is not None and profile.name == profile.path.stem for profile in shipped)


def test_cpu_profile_has_every_family_in_both_modes() -> None:
    assert {(case.workload, case.mode) for case in find_profile("cpu").cases} == EVERYTHING


@pytest.mark.parametrize("name", GPU_PROFILES)
def test_gpu_profiles_run_every_family_at_published_sizes_on_cuda(name: str) -> None:
    profile = find_profile(name)
    assert isinstance(profile.expects, tuple)
    assert {(case.workload, case.mode) for case in profile.cases} == EVERYTHING - TOO_LARGE.get(name, set())
    assert {case.backend for case in profile.cases} == {"cuda"}
    assert {case.engine for case in profile.cases} == {"torch-eager", "torch-compile"}
    assert not any(case.preset == "tiny" for case in profile.cases)
    assert {case.precision for case in profile.cases if case.mode == "train"} <= {"bf16", "tf32"}


@pytest.mark.parametrize("name", GPU_PROFILES)
def test_gpu_profiles_fit_into_the_memory_they_expect(name: str) -> None:
    """Weights alone (2 bytes a parameter), or 16 bytes a trained parameter, leave a tenth of the smallest expected device free."""
    from aigc_bench.catalog.loader import load_catalogue

    catalogue = load_catalogue()
    profile = find_profile(name)
    memory_bytes = min(catalogue.accelerators[name].memory_bytes for name in profile.expects)
    for case in profile.cases:
        num_params = registry.load("workloads", case.workload).preset(case).num_params
        assert num_params is not None
        if case.workload == "recommendation":
            continue  # its tables are cut to a number of rows that its own comment accounts for
        is_training = case.mode == "train" and case.workload not in PARTLY_TRAINED and not case.settings.get("lora_rank")
        bytes_per_param = 16 if is_training else 4 if case.precision in ("fp32", "tf32") else 2
        assert num_params * bytes_per_param < 0.9 * memory_bytes, case.id


def test_smoke_runs_anywhere_and_is_short() -> None:
    smoke = find_profile("smoke")
    assert smoke.expects == "any"
    assert smoke.level == "quick"
    assert 3 <= len(smoke.cases) <= 4
    assert {case.backend for case in smoke.cases} == {"cpu"}


# Which profile fits


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ((), "cpu"),
        (("a100_sxm_80gb",), "a100"),
        (("a100_pcie_40gb",), "a100-40gb"),
        (("h200_sxm_141gb", "h200_sxm_141gb"), "h200"),
        (("rtx_4090",), "rtx4090"),
        ((None,), "gpu"),
        (("t4",), "gpu"),
        ((None, "l40s"), "l40s"),
    ],
)
def test_the_profile_that_fits_is_found(found: tuple[str | None, ...], expected: str) -> None:
    assert matching_profile(machine(*found)).name == expected


def test_a_profile_for_another_machine_is_refused_in_one_line_that_names_the_one_that_fits() -> None:
    with pytest.raises(UsageError) as caught:
        check_machine(find_profile("a100"), machine())
    message = str(caught.value)
    assert "\n" not in message
    for phrase in ("'a100'", "a100_sxm_80gb", "no accelerator", "Some CPU", "--profile cpu"):
        assert phrase in message


def test_the_refusal_names_the_device_that_was_found() -> None:
    with pytest.raises(UsageError, match=r"found Device h200_sxm_141gb .*--profile h200"):
        check_machine(find_profile("a100"), machine("h200_sxm_141gb"))


def test_any_and_cpu_profiles_run_on_every_machine() -> None:
    for name in ("smoke", "cpu"):
        for system in (machine(), machine("h200_sxm_141gb"), machine(None)):
            check_machine(find_profile(name), system)


def test_a_profile_for_accelerators_takes_an_unknown_one() -> None:
    check_machine(find_profile("gpu"), machine(None))
    with pytest.raises(UsageError, match="expects an accelerator"):
        check_machine(find_profile("gpu"), machine())


# A user's own


def test_a_users_profile_wins_over_a_shipped_one(own_folder: Path) -> None:
    assert user_folder() == own_folder
    written(own_folder, 'name = "cpu"\ntitle = "Mine"\n[[case]]\nworkload="vae"\npreset="conv-64"\n', name="cpu")
    assert find_profile("cpu").title == "Mine"
    assert "Mine" in {load_profile(file).title for file in profile_files().values()}
    assert matching_profile(machine()).title != "Mine"


def test_a_new_profile_is_a_copy_that_can_be_run(own_folder: Path) -> None:
    file = new_profile("mine", source="cpu")
    assert file == own_folder / "mine.toml"
    assert find_profile("mine").cases == find_profile("cpu").cases
    assert "mine" in profile_files()


def test_a_new_profile_never_overwrites(own_folder: Path) -> None:
    file = new_profile("mine")
    before = file.read_text()
    with pytest.raises(UsageError, match="already exists"):
        new_profile("mine", source="cpu")
    assert file.read_text() == before


def test_a_profile_record_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Profile.__setattr__(find_profile("smoke"), "name", "other")


def test_a_demand_is_named_as_such(tmp_path: Path) -> None:
    file = tmp_path / "chat.toml"
    file.write_text('name = "chat"\n[[service]]\nname = "chat"\n')
    with pytest.raises(UsageError, match=r"chat\.toml: this is a demand, not a profile.*aigc-bench plan"):
        load_profile(file)


def test_a_name_with_capitals_says_what_is_allowed(tmp_path: Path) -> None:
    head = HEAD.replace('name = "mine"', 'name = "My profile"')
    message = mistake_of(tmp_path, head + '[[case]]\nworkload = "vae"\npreset = "tiny"\n')
    assert "use lower-case letters" in message
