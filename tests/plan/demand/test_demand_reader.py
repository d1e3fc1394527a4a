"""Demand files as records: how requests come, what is filled in from the catalogue, and every mistake in one clear line."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from aigc_bench.core.errors import AigcBenchError, UsageError
from aigc_bench.plan.demand.demand_reader import read_demand
from aigc_bench.plan.demand.manual import keys, new_demand, scenario_names, scenario_text, table
from aigc_bench.plan.output.demand_view import job_words
from aigc_bench.plan.records.demand import Demand
from tests.plan.demands import catalogue

LENGTHS = "input_tokens = 800\noutput_tokens = 200\n"
GPT = f'name = "chat"\nworkload = "gpt"\npreset = "llama-3.1-8b"\n{LENGTHS}'
IMAGES = 'name = "images"\nworkload = "latent_diffusion"\npreset = "sdxl"\n'


def read(folder: Path, text: str) -> Demand:
    file = folder / "demand.toml"
    file.write_text(f'name = "test"\n{text}')
    return read_demand(file, catalogue=catalogue())


def service(arrival: str, *, head: str = GPT, rest: str = "") -> str:
    return f"[[service]]\n{head}{arrival}\n{rest}"


def told(folder: Path, text: str) -> str:
    with pytest.raises(UsageError) as caught:
        read(folder, text)
    return str(caught.value)


def test_users_become_requests_a_second_at_the_peak(tmp_path: Path) -> None:
    text = service("users = 1200\nactive_share = 0.1\nrequests_per_minute = 0.5\npeak_factor = 2\nduty = 0.3")
    arrival = read(tmp_path, text).services[0].arrival
    assert arrival.peak_requests_per_s.value == pytest.approx(1200 * 0.1 * 0.5 / 60 * 2)
    assert arrival.duty.value == 0.3
    assert set(arrival.parts) == {"users", "active share", "requests a minute", "peak factor"}


def test_a_day_of_hours_gives_peak_mean_and_shape(tmp_path: Path) -> None:
    hours = [0] * 8 + [3600] * 8 + [1800] * 8
    arrival = read(tmp_path, service(f"hourly_requests = {hours}\npeak_factor = 1.5")).services[0].arrival
    assert arrival.peak_requests_per_s.value == pytest.approx(1.5)
    assert arrival.duty.value == pytest.approx(0.5 / 1.5)
    assert arrival.hourly is not None and arrival.hourly[0] == 0 and max(arrival.hourly) == 1


def test_users_of_the_busy_hour_are_raised_by_its_busiest_minutes_and_not_by_the_shape_of_the_day(tmp_path: Path) -> None:
    """The catalogue has a figure for each: 1.3 for minutes over the busy hour, 2 for the busy hour over the mean one."""
    minutes = catalogue().constant("busy_hour_peak_factor")
    arrival = read(tmp_path, service("users = 1200\nactive_share = 0.1\nrequests_per_minute = 0.5")).services[0].arrival
    assert arrival.parts["peak factor"].value == minutes.value < catalogue().constant("diurnal_peak_factor").value
    assert arrival.peak_requests_per_s.value == pytest.approx(1.0 * minutes.value)
    hours = read(tmp_path, service(f"hourly_requests = {[0] * 12 + [3600] * 12}")).services[0].arrival
    assert hours.peak_requests_per_s.value == pytest.approx(1.0 * minutes.value)


def test_an_unstated_mean_is_that_of_the_day_whatever_the_peak_factor(tmp_path: Path) -> None:
    day = catalogue().constant("diurnal_peak_factor").value
    means = []
    for written in ("", "\npeak_factor = 4"):
        arrival = (
            read(tmp_path, service(f"users = 1200\nactive_share = 0.1\nrequests_per_minute = 0.5{written}")).services[0].arrival
        )
        means.append(arrival.peak_requests_per_s.value * arrival.duty.value)
        assert 0 < arrival.duty.low < arrival.duty.value < arrival.duty.high <= 1
    assert means == [pytest.approx(1.0 / day)] * 2


def test_a_trace_gives_its_busiest_minute_and_the_spread_of_its_gaps(tmp_path: Path) -> None:
    moments = [*range(0, 600, 10), *(600 + second / 2 for second in range(120)), 1200]
    (tmp_path / "trace.csv").write_text("arrival_s\n" + "\n".join(f"{1e9 + moment}" for moment in moments))
    arrival = read(tmp_path, service('trace = "trace.csv"')).services[0].arrival
    assert arrival.peak_requests_per_s.value == pytest.approx(2.0, rel=0.02)
    assert arrival.peak_requests_per_s.value * arrival.duty.value == pytest.approx((len(moments) - 1) / 1200)
    assert arrival.cv2 > 1
    assert arrival.peak_requests_per_s.basis == "measured"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("moment\n1\n2\n", "trace.csv: line 1: column 'arrival_s' is missing"),
        ("arrival_s\n1\nsoon\n", "trace.csv: line 3: arrival_s 'soon' is not a number"),
        ("arrival_s\n1\n\nnan\n", "trace.csv: line 4: arrival_s 'nan' must be a finite number"),
        ("arrival_s\n1\n1e308\n", "trace.csv: line 3: arrival_s '1e308' must be"),
        ("arrival_s\n1700000000000\n1700000001000\n", "trace.csv: line 2: arrival_s '1700000000000' is beyond 1e+12 s"),
        ("arrival_s\n1\n2,5\n", "trace.csv: line 3: row has 2 cells where the header has 1"),
        ("arrival_s;b\n1;1\n2,500;1\n", "trace.csv: line 3: arrival_s '2,500' is unclear"),
        ("arrival_s,b\n1,1\n,1\n", "trace.csv: line 3: arrival_s '' is empty"),
        ("arrival_s\n5\n5\n", "two different times"),
        ("", "trace.csv: empty"),
    ],
)
def test_a_trace_that_is_none_says_what_is_wrong_with_it(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "trace.csv").write_text(content)
    assert words in told(tmp_path, service('trace = "trace.csv"'))


@pytest.mark.filterwarnings("ignore::aigc_bench.core.errors.FileWarning")
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gbk"])
def test_a_trace_is_read_as_a_spreadsheet_saves_it(tmp_path: Path, encoding: str) -> None:
    plain = "arrival_s,note\n" + "\n".join(f"{moment},请求" for moment in range(0, 1200, 10))
    (tmp_path / "plain.csv").write_text(plain, encoding="utf-8")
    table = plain.replace(",", ";").replace("10;", "10,0;").replace("\n", "\r\n")
    (tmp_path / "sheet.csv.gz").write_bytes(gzip.compress(table.encode(encoding)))
    found = [read(tmp_path, service(f'trace = "{name}"')).services[0].arrival for name in ("plain.csv", "sheet.csv.gz")]
    assert found[0].peak_requests_per_s.value == found[1].peak_requests_per_s.value
    assert found[0].cv2 == found[1].cv2


def test_a_trace_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "gone.csv: no such file" in told(tmp_path, service('trace = "gone.csv"'))


def test_what_a_file_does_not_say_comes_from_the_catalogue_with_its_source(tmp_path: Path) -> None:
    demand = read(tmp_path, service("rate = 2"))
    known = catalogue()
    assert demand.site.pue == known.pue("air")
    assert demand.site.electricity_usd_per_kwh == known.electricity_price()
    assert demand.finance.residual_share == known.constant("residual_fraction_36m")
    assert (demand.finance.life_years, demand.growth, demand.availability) == (3.0, None, 0.999)
    chat = demand.services[0]
    assert chat.request_bytes.value == pytest.approx(800 * 4)
    assert (chat.kept_days.value, chat.slo.percentile, chat.work_cv2) == (30.0, 0.95, 1.0)
    assert all(one.source for one in (chat.request_bytes, chat.arrival.duty, demand.site.amount("rack_power_w")) if one)


def test_what_a_file_says_is_taken_in_si_units(tmp_path: Path) -> None:
    rest = (
        "[site]\npower_kw = 50\nrack_kw = [10, 15, 20]\nuplink_gbit_per_s = 10\nstore_tb = 2\ncooling = 'rear_door'\n"
        "[finance]\nlife = '4y'\nstaff_usd_per_year = 1000\n"
        "[constraints]\nno_cloud = true\nvendors = ['nvidia', 'AMD']\naccelerators = ['H100', 'mi300x']\n"
    )
    demand = read(tmp_path, service("rate = 2", rest=rest))
    site = demand.site.of_factors
    assert (site["power_w"].value, site["rack_power_w"].low, site["egress_bits_per_s"].value) == (50_000, 10_000, 10e9)
    assert site["store_bytes"].value == 2e12
    assert (site["rack_cooling_w"].value, site["rack_cooling_w"].unit) == (
        catalogue().constant("rack_limit_rear_door_w").value,
        "W",
    )
    assert demand.finance.life_years == pytest.approx(4)
    assert demand.finance.residual_share == catalogue().constant("residual_fraction_48m")
    assert demand.constraints.without == ("cloud", "api")
    assert demand.constraints.vendors == ("NVIDIA", "AMD")
    assert demand.constraints.accelerators == ("h100_sxm_80gb", "mi300x")


def test_jobs_keep_their_window_how_often_they_come_and_their_checkpoints(tmp_path: Path) -> None:
    batch = f"[[batch]]\n{GPT.replace('chat', 'reports')}items = 1000\ndeadline = '4h'\nevery = '12h'\n"
    training = (
        "[[training]]\nname = 'tuning'\nworkload = 'gpt'\npreset = 'llama-3.1-8b'\nmethod = 'lora'\ntokens = 1e6\n"
        "deadline = '2d'\nevery = '1d'\ncheckpoints_kept = 3\n"
    )
    reports, tuning = read(tmp_path, batch + training).jobs
    assert (reports.kind, reports.mode, reports.items.value, reports.runs_per_day) == ("batch", "infer", 200_000, 2.0)
    assert (tuning.kind, tuning.adapter, tuning.runs_per_day) == ("finetuning", True, 0.5)
    assert tuning.checkpoints.kept is not None and tuning.checkpoints.kept.value == 3


@pytest.mark.parametrize(("finance", "years"), [("", 3), ("[finance]\nlife = '5y'\n", 5)])
def test_training_without_an_interval_is_one_run_in_the_life_of_the_servers(finance: str, years: int, tmp_path: Path) -> None:
    training = (
        "[[training]]\nname = 'run'\nworkload = 'gpt'\npreset = 'llama-2-7b'\nmethod = 'pretraining'\ntokens = 1e12\n"
        "deadline = '30d'\n"
    )
    (run,) = read(tmp_path, training + finance).jobs
    assert run.runs_per_day == pytest.approx(1 / (years * 365.25))
    assert job_words(run) == f"within 30 days, once in {years} years"


def test_speech_and_its_text_have_sizes_of_their_own(tmp_path: Path) -> None:
    """A second of speech is kilobytes of sound and a few bytes of text, on the side that a family reads or writes."""
    text = "".join(
        f"[[batch]]\nname = '{name}'\nworkload = '{name}'\npreset = '{preset}'\nitems = 1000\ndeadline = '4h'\n"
        for name, preset in (("speech_recognition", "whisper-large-v3"), ("text_to_speech", "vits"))
    )
    heard, spoken = read(tmp_path, text).jobs
    assert heard.response_bytes is not None and spoken.response_bytes is not None
    assert (heard.bytes_per_item.value, heard.response_bytes.value) == (16e3, 15.0)
    assert (spoken.bytes_per_item.value, spoken.response_bytes.value) == (15.0, 16e3)


def test_a_data_set_is_a_profile_or_a_size(tmp_path: Path) -> None:
    text = (
        service("rate = 1") + "[[dataset]]\nname = 'a'\nprofile = 'imagenet_1k'\n[[dataset]]\nname = 'b'\nsize_gb = 5\ncopies = 1\n"
    )
    images, own = read(tmp_path, text).datasets
    assert images.size_bytes.value == catalogue().datasets["imagenet_1k"].total_bytes
    assert images.copies == catalogue().constant("dataset_copies")
    assert (own.size_bytes.value, own.copies.value) == (5e9, 1)


TRAINING = "[[training]]\nname = 't'\nworkload = 'gpt'\npreset = 'llama-3.1-8b'\ndeadline = '1h'\n"
TRAINED = """[[training]]
name = "tuning"
workload = "gpt"
preset = "falcon-180b"
tokens = 1000
deadline = "1d"
settings = {}
"""
BAD = {
    "one of users, rate": service(""),
    "found users and rate": service("rate = 1\nusers = 5"),
    "users requires active_share": service("users = 5"),
    "a day has 24 hours": service("hourly_requests = [1, 2, 3]"),
    "input_tokens and output_tokens are required": service("rate = 1", head=GPT.replace(LENGTHS, "")),
    "output_tokens = 0: must be between 1 and": service("rate = 1", head=GPT.replace("output_tokens = 200", "output_tokens = 0")),
    "unknown setting 'banana'": service("rate = 1\nsettings = { banana = 1 }"),
    "settings, prompt_len: a service or batch states this as input_tokens": service("rate = 1\nsettings = { prompt_len = 5 }"),
    "unknown setting 'sequence'": TRAINED.format("{ sequence = 5 }"),
    "settings, seq_len = 'long': must be a whole number": TRAINED.format("{ seq_len = 'long' }"),
    "settings, seq_len = 1000000000000: must be a whole number up to 10,000,000": TRAINED.format("{ seq_len = 1000000000000 }"),
    "settings, lora_rank = 5000: must be less than": TRAINED.format("{ lora_rank = 5000 }"),
    "101 services and jobs; at most 100 are planned together": "".join(
        f"[[service]]\n{GPT.replace('chat', f'chat {number}')}rate = 1\n" for number in range(101)
    ),
    "belong to language models": service("rate = 1", head=IMAGES + LENGTHS),
    "workload and preset missing": service("rate = 1", head="name = 'chat'\n"),
    "Did you mean latent_diffusion": service("rate = 1", head=IMAGES.replace("latent_diffusion", "latent_difusion")),
    "Did you mean sdxl": service("rate = 1", head=IMAGES.replace("sdxl", "sdx")),
    "unknown precision 'fp12'": service("rate = 1\nprecisions = ['fp12']"),
    "unknown engine 'vlm'": service("rate = 1\nengines = ['vlm']"),
    "unknown model of a commercial API": service("rate = 1\napi_model = 'nobody-1'"),
    "unknown vendor 'Nvidea'": service("rate = 1", rest="[constraints]\nvendors = ['Nvidea']\n"),
    "unknown accelerator": service("rate = 1", rest="[constraints]\naccelerators = ['h1000000']\n"),
    "unknown data profile": service("rate = 1") + "[[dataset]]\nname = 'x'\nprofile = 'imagenet'\n",
    "give either profile or size_gb": service("rate = 1") + "[[dataset]]\nname = 'x'\n",
    "belong together": "growth_per_year = 0.2\n" + service("rate = 1"),
    "no load": "",
    "is the name of 2 services or jobs": service("rate = 1") + service("rate = 2"),
    "give either tokens or samples": TRAINING,
    "trains on tokens; give tokens": f"{TRAINING}samples = 5\n",
    "supported for language models only": "[[training]]\nname = 't'\nworkload = 'vae'\npreset = 'conv-64'\nmethod = 'lora'\n"
    "samples = 5\ndeadline = '1h'\n",
    "pue = 0.5: must be between 1 and 10": service("rate = 1", rest="[site]\npue = 0.5\n"),
    "rack_kw = 0: must be between 0.01 and 10,000": service("rate = 1", rest="[site]\nrack_kw = 0\n"),
    "peak_factor = 0: must be between 1 and 1,000": service(f"hourly_requests = {[1] * 24}\npeak_factor = 0"),
}


@pytest.mark.parametrize("words", sorted(BAD))
def test_a_mistake_is_told_in_words_that_name_it(tmp_path: Path, words: str) -> None:
    assert words in told(tmp_path, BAD[words])


@pytest.mark.parametrize("content", [b"name = ", b"\xff\xfe\x00", b"name = 'x'\n[[service]\n"])
def test_a_file_that_is_no_toml_is_told_in_one_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "demand.toml"
    file.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_demand(file, catalogue=catalogue())
    assert str(caught.value).count("\n") == 0
    assert str(file) in str(caught.value)


def test_a_file_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_demand(tmp_path / "gone.toml", catalogue=catalogue())


@pytest.mark.parametrize("name", scenario_names())
def test_every_scenario_is_a_demand_and_is_never_written_over_a_file(name: str, tmp_path: Path) -> None:
    file = new_demand(name, out=tmp_path / "mine.toml")
    assert file.read_text() == scenario_text(name)
    demand = read_demand(file, catalogue=catalogue())
    assert demand.services or demand.jobs
    with pytest.raises(UsageError, match="exists already"):
        new_demand(name, out=file)
    with pytest.raises(AigcBenchError, match="no such file"):
        new_demand(name, out=tmp_path / "nowhere" / "mine.toml")


def test_an_unknown_scenario_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean chat-assistant"):
        scenario_text("chat-assistent")


def test_the_manual_tells_every_key_with_its_meaning() -> None:
    found = keys()
    assert {key.table for key in found} >= {
        "top",
        "[[service]]",
        "[service.slo]",
        "[[batch]]",
        "[[training]]",
        "[site]",
        "[finance]",
    }
    assert all(key.meaning and key.kind for key in found)
    kinds = {key.key: key.kind for key in found}
    assert (kinds["pue"], kinds["deadline"], kinds["active_share"], kinds["no_cloud"]) == (
        "amount",
        "duration",
        "amount",
        "true or false",
    )
    assert table().count("\n") == len(found) + 2


def test_a_profile_is_named_as_such(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('name = "mine"\ntitle = "Mine"\n[[case]]\nworkload = "vae"\n')
    with pytest.raises(UsageError, match=r"mine\.toml: this is a profile, not a demand.*run --profile"):
        read_demand(file, catalogue=catalogue())
