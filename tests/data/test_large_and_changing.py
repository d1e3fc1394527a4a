"""Long lines, large claims, and what is kept of a screening: bounded, and made anew where it no longer fits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aigc_bench.core.pipeline import SkippedSample
from aigc_bench.data import file_cache as kept_module
from aigc_bench.data import limits
from aigc_bench.data.file_cache import cache_folder, read_cached, write_cached
from aigc_bench.data.files import EXTENSIONS, find_files
from aigc_bench.data.limits import MAX_SAMPLE_BYTES, MAX_TEXT_FILE_BYTES
from aigc_bench.data.page_cache import cached_fraction, drop, warm
from aigc_bench.data.reading import NothingReadableError
from aigc_bench.data.screening import screen
from aigc_bench.data.screening_process import looks_here
from aigc_bench.data.text import NAMED_IN_A_UNIT, PIECE_CHARS, documents
from aigc_bench.data.tokenizer import trained
from tests.data.bad_samples import JPEG, MP4, holds, table, tar


def texts_of(folder: Path, skips: list[SkippedSample] | None = None) -> list[str]:
    noted = [] if skips is None else skips
    return [text for unit in find_files(folder).units["text"] for text in documents(unit, is_cold=False, skips=noted)]


@pytest.mark.parametrize("letters", ["abcdefghij", "日本語の文", "é"])
def test_a_text_of_one_line_is_read_whole_in_pieces(letters: str, tmp_path: Path) -> None:
    text = letters * (40_000_000 // len(letters.encode()))
    (tmp_path / "one-line.txt").write_text(text)
    skips: list[SkippedSample] = []
    texts = texts_of(tmp_path, skips)
    assert not skips
    assert max(map(len, texts)) <= PIECE_CHARS
    assert "".join(texts) == text


def test_a_long_json_line_hides_no_line_after_it(tmp_path: Path) -> None:
    good = json.dumps({"text": "good"})
    (tmp_path / "a.jsonl").write_text("\n".join((good, '{"text": "' + "x" * 40_000_000 + '"}', good)))
    skips: list[SkippedSample] = []
    assert texts_of(tmp_path, skips) == ["good", "good"]
    assert [one.reason for one in skips] == ["a line longer than the limit of 16 MiB"]


def test_a_line_without_an_end_costs_a_bounded_time_and_memory(tmp_path: Path) -> None:
    """A gigabyte without a line break, in a process that may hold 400 MB more than it does once everything is imported."""
    with (tmp_path / "a.jsonl").open("wb") as file:
        file.truncate(1 << 30)
    program = (
        "import resource, sys\n"
        "from aigc_bench.data.files import find_files\n"
        "from aigc_bench.data.text import documents\n"
        "import pyarrow.parquet, numpy\n"
        "held = int(open('/proc/self/statm').read().split()[0]) * 4096\n"
        "resource.setrlimit(resource.RLIMIT_AS, (held + (400 << 20),) * 2)\n"
        "skips = []\n"
        "units = find_files(sys.argv[1]).units['text']\n"
        "texts = [text for unit in units for text in documents(unit, is_cold=False, skips=skips)]\n"
        "print(len(texts), [(one.name, one.reason) for one in skips])\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.stdout == "0 [('a.jsonl@0', 'a line longer than the limit of 16 MiB')]\n", done.stderr


def test_many_bad_lines_are_counted_and_the_first_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("nonsense\n" * 5_000 + json.dumps({"text": "good"}) + "\n")
    skips = screen(find_files(tmp_path), "text").skipped
    assert len(skips) == NAMED_IN_A_UNIT + 1
    assert sum(one.count for one in skips) == 5_000
    assert skips[-1].reason == "4,980 more bad ones in this part of the file"


def test_blank_lines_and_empty_texts_are_no_samples_and_no_faults(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('\n\n{"text": ""}\n  \n{"text": "good"}\n')
    skips: list[SkippedSample] = []
    assert texts_of(tmp_path, skips) == ["good"]
    assert not skips


def test_data_of_empty_texts_alone_end_with_an_error_and_not_in_a_loop(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": ""}\n')
    found = find_files(tmp_path)
    with pytest.raises(NothingReadableError):
        screen(found, "text")
    with pytest.raises(NothingReadableError):
        trained(found.units["text"], vocab_size=2000, sha256=found.sha256)


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbftea\n")
    (tmp_path / "b.jsonl").write_bytes(b'\xef\xbb\xbf{"text": "for two"}\n')
    assert texts_of(tmp_path) == ["tea\n", "for two"]


def test_suffixes_are_read_in_either_case(tmp_path: Path) -> None:
    table(text=["from a table"])(tmp_path / "A.PARQUET")
    (tmp_path / "B.JSONL").write_text('{"text": "a line"}')
    assert texts_of(tmp_path) == ["from a table", "a line"]


def test_one_bad_paragraph_does_not_cost_the_text_around_it(tmp_path: Path) -> None:
    lines = [b"good words in a line\n"] * 20_000
    lines[9_000] = b"caf\xe9\n"
    (tmp_path / "a.txt").write_bytes(b"".join(lines))
    skips: list[SkippedSample] = []
    assert sum(map(len, texts_of(tmp_path, skips))) > 0.98 * sum(map(len, lines))
    assert len(skips) == 1


def test_a_training_text_without_gaps_makes_a_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("acgt" * 100_000)
    found = find_files(tmp_path)
    tokenizer = trained(found.units["text"], vocab_size=400, sha256=found.sha256)
    assert tokenizer.decode(tokenizer.encode("gatta")) == "gatta"


OVERSIZED = (("a.mp4", MAX_SAMPLE_BYTES, "512 MiB"), ("a.txt", MAX_TEXT_FILE_BYTES, "1 TiB"))


@pytest.mark.parametrize(("name", "size", "limit"), OVERSIZED)
def test_files_over_the_limit_are_named_and_not_read(name: str, size: int, limit: str, tmp_path: Path) -> None:
    holds(MP4)(tmp_path / "good.mp4")
    (tmp_path / "good.txt").write_text("tea")
    with (tmp_path / name).open("wb") as file:
        file.truncate(size + 1)
    found = find_files(tmp_path)
    (one,) = (one for each in found.skipped.values() for one in each)
    assert (one.name, one.reason) == (name, f"larger than the limit of {limit}")


def test_a_tree_deeper_than_the_recursion_limit_is_walked() -> None:
    """In a folder of its own: pytest removes its temporary folders by recursion."""
    folder, here = Path(tempfile.mkdtemp()), Path.cwd()
    holds(JPEG)(folder / "a.jpg")
    try:
        os.chdir(folder)
        for _ in range(1_500):
            Path("d").mkdir()
            os.chdir("d")
        Path("deep.jpg").write_bytes(JPEG)
        assert {unit.name[-8:] for unit in find_files(folder).units["image"]} == {"a.jpg", "deep.jpg"}
    finally:
        os.chdir(here)
        subprocess.run(["rm", "-rf", str(folder)], check=True)


# What is kept


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return cache_folder()


def two_images(folder: Path) -> Path:
    folder.mkdir()
    holds(JPEG)(folder / "a.jpg")
    holds(JPEG)(folder / "b.jpg")
    return folder


def test_contents_that_change_under_the_same_name_and_size_are_looked_at_again(cache: Path, tmp_path: Path) -> None:
    data = two_images(tmp_path / "data")
    assert screen(find_files(data), "image").skipped == ()
    before = (data / "b.jpg").stat()
    (data / "b.jpg").write_bytes(bytes(len(JPEG)))
    os.utime(data / "b.jpg", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert [one.name for one in screen(find_files(data), "image").skipped] == ["b.jpg"]


def torn(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-5])


def foreign(file: Path) -> None:
    file.write_text('{"key": "another", "found": []}')


def other_fields(file: Path) -> None:
    text = json.loads(file.read_text())
    file.write_text(json.dumps({**text, "found": [{"name": "a", "why": "older"}]}))


def a_fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def deep(file: Path) -> None:
    file.write_text("[" * 100_000)


def latin(file: Path) -> None:
    file.write_bytes(b"\xff\xfe")


@pytest.mark.parametrize("spoil", [torn, foreign, other_fields, a_fifo, a_folder, deep, latin])
def test_a_spoilt_finding_is_made_anew(spoil: object, cache: Path, tmp_path: Path) -> None:
    data = two_images(tmp_path / "data")
    holds(b"no")(data / "c.jpg")
    first = screen(find_files(data), "image")
    (file,) = (cache / "screened").iterdir()
    spoil(file)  # type: ignore[operator]
    assert screen(find_files(data), "image") == first
    assert screen(find_files(data), "image") == first


def test_a_spoilt_tokenizer_is_trained_anew(cache: Path, small_data: Path) -> None:
    found = find_files(small_data)
    first = trained(found.units["text"], vocab_size=400, sha256=found.sha256).encode("words of a text")
    (file,) = (cache / "tokenizers").iterdir()
    torn(file)
    assert trained(found.units["text"], vocab_size=400, sha256=found.sha256).encode("words of a text") == first
    assert read_cached(file, bytes.decode) is not None


def test_what_cannot_be_kept_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("a file where a folder would be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert screen(find_files(two_images(tmp_path / "data")), "image").skipped == ()


def test_a_full_disk_leaves_the_old_file_and_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "kept.json"
    write_cached(file, b"old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept_module.os, "fsync", full)
    write_cached(file, b"new")
    assert file.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["kept.json"]


def test_the_page_cache_passes_over_what_is_gone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    paths = [str(tmp_path / "absent"), str(tmp_path / "pipe"), str(tmp_path)]
    warm(paths)
    for path in paths:
        drop(path)
    assert cached_fraction(paths) in (None, 0.0)


def test_a_shard_of_many_members_is_listed_in_order(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(tar(*((f"{number:04}.jpg", JPEG) for number in range(50))))
    units = find_files(tmp_path).units["image"]
    assert [unit.name for unit in units] == [f"a.tar:{number:04}.jpg" for number in range(50)]
    assert all(unit.start % tarfile.BLOCKSIZE == 0 for unit in units)


def test_memory_that_runs_out_is_one_skipped_sample(tmp_path: Path) -> None:
    """For true: in a process that may not hold the pixels of one image."""
    from PIL import Image

    Image.new("L", (8_000, 8_000)).save(tmp_path / "large.png")
    holds(JPEG)(tmp_path / "good.jpg")
    program = (
        "import resource, sys\n"
        "from aigc_bench.data.files import find_files\n"
        "from aigc_bench.data.screening import screen\n"
        "import PIL.Image, PIL.PngImagePlugin, PIL.JpegImagePlugin\n"
        "held = int(open('/proc/self/statm').read().split()[0]) * 4096\n"
        "resource.setrlimit(resource.RLIMIT_AS, (held + (100 << 20),) * 2)\n"
        "print([(one.name, one.reason) for one in screen(find_files(sys.argv[1]), 'image').skipped])\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.stdout == "[('large.png', 'not enough memory to decode it')]\n", done.stderr


def test_the_documentation_states_the_limits() -> None:
    method = (Path(__file__).resolve().parents[2] / "docs" / "method.md").read_text()
    low, high = limits.SAMPLING_RATES_HZ
    for words in (
        f"{limits.MAX_PIXELS:,} pixels, {limits.MAX_SCANNED_PIXELS:,} over all scans of a JPEG",
        f"{limits.MAX_PIXELS:,} pixels a frame, {limits.MAX_SAMPLE_BYTES >> 20} MiB",
        f"{low:,} to {high:,} Hz, {limits.MAX_CHANNELS} channels, {limits.MAX_SAMPLE_BYTES >> 20} MiB",
        f"the first {limits.MAX_AUDIO_VALUES:,} values",
        f"{limits.MAX_LINE_BYTES >> 20} MiB a line",
        f"{limits.MAX_LINE_BYTES >> 20} MiB a text; {limits.MAX_ROW_GROUPS:,} row groups, ",
        f"of each the first {limits.MAX_ROW_GROUP_CHARS:,} characters",
        f"{limits.MAX_TEXT_FILE_BYTES >> 40} TiB a file",
        *(f"`{suffix}`" for suffix in EXTENSIONS),
    ):
        assert words in method


def test_a_dictionary_that_unfolds_without_end_is_read_as_far_as_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aigc_bench.data.parquet.MAX_ROW_GROUP_CHARS", 1_000_000)
    table(text=["x" * 100_000] * 1_000)(tmp_path / "a.parquet")
    (one,) = screen(find_files(tmp_path), "text", look=looks_here).skipped
    assert one.reason == "more than 1,000,000 characters of text; the rest is not read"


def test_one_damaged_row_group_does_not_cost_the_others(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    texts = [os.urandom(50).hex() for _ in range(3_000)]
    pq.write_table(pa.table({"text": texts}), file, row_group_size=1_000, compression="gzip", use_dictionary=False)
    at = pq.ParquetFile(file).metadata.row_group(1).column(0).data_page_offset
    data = bytearray(file.read_bytes())
    data[at + 200 : at + 400] = b"\xff" * 200
    file.write_bytes(data)
    assert [one.name for one in screen(find_files(tmp_path), "text").skipped] == ["a.parquet:1"]


def test_one_text_that_is_not_utf8_does_not_cost_the_other_rows(tmp_path: Path) -> None:
    offsets = pa.array([0, 1, 2, 3], pa.int32()).buffers()[1]
    pq.write_table(
        pa.table({"text": pa.Array.from_buffers(pa.string(), 3, [None, offsets, pa.py_buffer(b"a\xffc")])}), tmp_path / "a.parquet"
    )
    skips: list[SkippedSample] = []
    assert texts_of(tmp_path, skips) == ["a", "c"]
    assert [(one.name, one.reason) for one in skips] == [("a.parquet:0@1", "not UTF-8: byte 0xff at 0")]


def test_the_footer_of_many_row_groups_is_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(pa.table({"text": ["words"] * 500}), tmp_path / "a.parquet", row_group_size=1)
    given: list[object] = []
    opened = pq.ParquetFile

    def noted(file: object, metadata: object = None) -> object:
        given.append(metadata)
        return opened(file, metadata=metadata)

    monkeypatch.setattr(pq, "ParquetFile", noted)
    assert texts_of(tmp_path) == ["words"] * 500
    assert len(given) == 501
    assert given.count(None) == 1


def test_a_parquet_file_that_is_replaced_is_read_anew(tmp_path: Path) -> None:
    table(text=["one"])(tmp_path / "a.parquet")
    assert texts_of(tmp_path) == ["one"]
    table(text=["two", "three"])(tmp_path / "a.parquet")
    assert texts_of(tmp_path) == ["two", "three"]
