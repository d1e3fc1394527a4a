"""One bad sample is skipped, counted and named with its reason, whatever it raises; the good ones around it are read."""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import av
import pyarrow as pa
import pytest
from PIL import Image

from aigc_bench.core.errors import UsageError
from aigc_bench.core.pipeline import Modality, SkippedSample
from aigc_bench.data.bad_sample import BadSampleError, reason_of, shown
from aigc_bench.data.batches import _DECODERS
from aigc_bench.data.files import Unit, find_files
from aigc_bench.data.intake import AudioIntake, ImageIntake, VideoIntake
from aigc_bench.data.reading import NothingReadableError, attempted, decoded, read_bytes
from aigc_bench.data.screening import screen
from aigc_bench.data.screening_process import looks_here
from aigc_bench.data.text import documents
from tests.data.bad_samples import ALL, GOOD, JPEG, TEXTS, Bad, holds, write_among_good

INTAKES = {
    "image": ImageIntake(height=32, width=32),
    "audio": AudioIntake(sampling_rate=16_000, num_samples=4_000, num_mels=8, num_frames=20),
    "video": VideoIntake(num_frames=3, height=16, width=16),
}
A_REPR = re.compile(r" at 0x|<[^<>]*object|<class|Traceback|Errno")


def read_all(folder: Path, modality: Modality) -> tuple[int, dict[str, SkippedSample]]:
    """How many samples are read, as a trial reads them, and what is skipped on the way, in the screening as well."""
    found = find_files(folder)
    skips: list[SkippedSample] = []

    def decode(unit: Unit) -> Iterator[object]:
        if modality == "text":
            yield from documents(unit, is_cold=True, skips=skips)
        else:
            yield _DECODERS[type(INTAKES[modality])](read_bytes(unit, is_cold=True), INTAKES[modality])

    num_good = sum(1 for unit in found.units[modality] for _ in attempted(unit, decode, skips=skips))
    skipped = {one.name: one for one in screen(found, modality, look=looks_here).skipped}
    assert {one.name for one in skips} <= set(skipped), "the screening finds what a trial would"
    return num_good, skipped


@pytest.mark.parametrize("bad", ALL, ids=lambda bad: f"{bad.modality}-{bad.name!a}")
def test_a_bad_sample_is_named_with_its_reason_and_the_good_ones_are_read(bad: Bad, tmp_path: Path) -> None:
    write_among_good(tmp_path, bad)
    num_good, skipped = read_all(tmp_path, bad.modality)
    assert num_good >= len(GOOD[bad.modality])
    assert set(skipped) == {bad.shown_as or bad.name}
    (one,) = skipped.values()
    assert re.search(bad.reason, one.reason)
    assert not A_REPR.search(one.reason)
    assert one.name.isprintable() and one.reason.isprintable()
    assert one.model_validate_json(one.model_dump_json()) == one


@pytest.mark.parametrize("modality", ["image", "audio", "video", "text"])
def test_all_bad_samples_of_a_kind_together_are_counted(modality: Modality, tmp_path: Path) -> None:
    some = [bad for bad in ALL if bad.modality == modality]
    write_among_good(tmp_path, *some)
    _, skipped = read_all(tmp_path, modality)
    assert set(skipped) == {bad.shown_as or bad.name for bad in some}


def test_members_before_a_cut_are_read(tmp_path: Path) -> None:
    write_among_good(tmp_path, *(bad for bad in ALL if bad.name in ("cut.tar", "torn.tar", "bad.tar")))
    assert [unit.name for unit in find_files(tmp_path).units["image"] if ".tar" in unit.name] == [
        "bad.tar:0.jpg",
        "bad.tar:1.jpg",
        "cut.tar:0.jpg",
        "cut.tar:1.jpg",
        "torn.tar:0.jpg",
    ]


def test_lines_after_a_bad_one_are_read(tmp_path: Path) -> None:
    for bad in TEXTS:
        if bad.name.endswith(".jsonl") and bad.name != "pipe.jsonl":
            bad.write(tmp_path / bad.name)
    found = find_files(tmp_path)
    texts = [text for unit in found.units["text"] for text in documents(unit, is_cold=False, skips=[])]
    assert texts == ["a good line"] * len({unit.path for unit in found.units["text"]})


def test_a_name_that_is_not_utf8_is_read_all_the_same(tmp_path: Path) -> None:
    holds(JPEG)(tmp_path / "\udcff.jpg")
    assert read_all(tmp_path, "image") == (1, {})


ERRORS = (
    MemoryError(),
    RecursionError("maximum recursion depth exceeded"),
    SyntaxError("broken PNG file (chunk b'\\x1b')"),
    struct.error("unpack requires a buffer of 4 bytes"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
    zlib.error("Error -3 while decompressing data"),
    OSError(40, "Too many levels of symbolic links", "/data/a.jpg"),
    Image.DecompressionBombError("Image size exceeds limit"),
    Image.UnidentifiedImageError("cannot identify image file <_io.BytesIO object at 0x7fabcdef0123>"),
    pa.ArrowInvalid("Parquet magic bytes not found"),
    pa.ArrowNotImplementedError("no"),
    av.error.InvalidDataError(1094995529, "Invalid data found when processing input", "<none>"),
    KeyError("text"),
    IndexError(),
    ZeroDivisionError("division by zero"),
    TypeError("<class 'int'> is not iterable"),
    AttributeError("'NoneType' object has no attribute 'size'"),
    AssertionError(),
    ValueError("a\x1b[31mb\u202ec\nsecond line"),
    BadSampleError("plain words"),
)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_whatever_a_decoder_raises_is_one_skipped_sample(error: Exception) -> None:
    def decode(unit: Unit) -> list[str]:
        if unit.name == "bad":
            raise error
        return [unit.name]

    skips: list[SkippedSample] = []
    units = [Unit("f", name, 0, 1) for name in ("a", "bad", "b")]
    assert list(decoded(iter(units), lambda unit: iter(decode(unit)), skips=skips)) == ["a", "b"]
    (one,) = skips
    assert one.name == "bad"
    assert one.reason and one.reason.isprintable()
    assert not A_REPR.search(one.reason)


def test_interrupts_are_no_bad_samples() -> None:
    def decode(unit: Unit) -> object:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        next(attempted(Unit("f", "f", 0, 1), decode, skips=[]))  # type: ignore[arg-type]


def test_reasons_are_in_plain_words() -> None:
    assert reason_of(MemoryError()) == "not enough memory to decode it"
    assert reason_of(OSError(13, "Permission denied", "/data/a.jpg")) == "permission denied"
    assert reason_of(KeyError("text")) == "cannot be decoded (KeyError)"
    assert shown("a\udcffb\n\u202e") == r"a\xffb\n\u202e"
    assert shown("\ud800") == r"\ud800"
    assert shown("日本語 é") == "日本語 é"


def test_an_eps_named_jpg_starts_no_ghostscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marker, program = tmp_path / "started", tmp_path / "bin" / "gs"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {marker}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)
    write_among_good(tmp_path / "data", *(bad for bad in ALL if bad.name == "page.jpg"))
    read_all(tmp_path / "data", "image")
    assert not marker.exists()


def test_a_folder_without_a_good_sample_is_reported_before_anything_is_timed(tmp_path: Path) -> None:
    holds(b"no")(tmp_path / "a.jpg")
    with pytest.raises(NothingReadableError, match=r"nothing of the image data can be read, the first: a.jpg: no image"):
        screen(find_files(tmp_path), "image")


def test_a_folder_of_empty_files_names_them(tmp_path: Path) -> None:
    holds(b"")(tmp_path / "a.jpg")
    (tmp_path / "b.wav").symlink_to("absent")
    with pytest.raises(UsageError, match="nothing to read") as problem:
        find_files(tmp_path)
    assert "a.jpg (empty file), b.wav (a link to nothing)" in (problem.value.hint or "")


@pytest.mark.parametrize("name", ["/dev/zero", "pipe", "~nobody-of-this-name/data", "x" * 300, "a\0b", "file.txt/below"])
def test_a_place_that_is_no_data_is_one_line(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file.txt").write_text("x")
    place = name if name[0] in "/~" else str(tmp_path / name)
    with pytest.raises(UsageError, match="--data") as problem:
        find_files(place)
    assert not A_REPR.search(str(problem.value))


def test_a_single_file_of_another_kind_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "notes.doc").write_bytes(JPEG)
    with pytest.raises(UsageError, match="nothing to read"):
        find_files(tmp_path / "notes.doc")


def test_a_place_that_is_not_utf8_is_refused_or_reached_by_a_link(tmp_path: Path) -> None:
    folder = tmp_path / "\udcff"
    write_among_good(folder, ALL[0])
    with pytest.raises(UsageError, match=r"\\xff: the path is not UTF-8"):
        find_files(folder)
    (tmp_path / "link").symlink_to(folder)
    assert find_files(tmp_path / "link").root == str(tmp_path / "link")


def test_what_root_may_not_read_either_is_named(tmp_path: Path) -> None:
    """Read as a user without rights, where the tests run as root."""
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_among_good(folder, *(bad for bad in ALL if bad.name == "empty.jpg"))
        holds(JPEG)(folder / "secret.jpg")
        (folder / "secret.jpg").chmod(0)
        (folder / "closed").mkdir(mode=0)
        folder.chmod(0o755)
        is_root = os.geteuid() == 0
        os.seteuid(65534 if is_root else os.geteuid())
        try:
            num_good, skipped = read_all(folder, "image")
        finally:
            os.seteuid(0 if is_root else os.geteuid())
        (folder / "closed").chmod(0o755)
    assert num_good == 2
    assert skipped["secret.jpg"].reason == "permission denied"
    assert skipped["closed"].reason == "the folder cannot be listed: permission denied"


def test_a_file_that_changes_while_it_is_read_is_named(tmp_path: Path) -> None:
    for name in ("gone.jpg", "shorter.jpg", "pipe.jpg", "good.jpg"):
        holds(JPEG)(tmp_path / name)
    (tmp_path / "shorter.txt").write_text("tea\n" * 9)
    found = find_files(tmp_path)
    (tmp_path / "gone.jpg").unlink()
    (tmp_path / "pipe.jpg").unlink()
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "shorter.jpg").write_bytes(JPEG[:100])
    (tmp_path / "shorter.txt").write_text("tea\n")
    skipped = {one.name: one.reason for one in screen(found, "image").skipped}
    assert skipped == {
        "gone.jpg": "no such file or directory",
        "pipe.jpg": "not a regular file: a FIFO",
        "shorter.jpg": "the file has become shorter since it was listed",
    }
    with pytest.raises(NothingReadableError, match="shorter"):
        screen(found, "text")
