"""What is found at a path, and how it is read."""

from __future__ import annotations

import io
import itertools
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.core.errors import UsageError
from aigc_bench.core.pipeline import SkippedSample
from aigc_bench.data.files import Unit, find_files
from aigc_bench.data.page_cache import cached_fraction, drop, warm
from aigc_bench.data.reading import MAX_BARREN, NothingReadableError, Shard, decoded, epochs, read_bytes
from aigc_bench.data.screening import screen
from aigc_bench.data.text import documents
from tests.conftest import CORRUPT, EMPTY


def texts_of(folder: Path, skips: list[SkippedSample] | None = None) -> list[str]:
    noted = [] if skips is None else skips
    return [text for unit in find_files(folder).units["text"] for text in documents(unit, is_cold=False, skips=noted)]


def test_every_modality_is_found_and_an_empty_file_is_named(small_data: Path) -> None:
    found = find_files(small_data)
    assert set(found.modalities) == {"audio", "image", "text", "video"}
    assert found.num_files == {"audio": 4, "image": 14, "text": 2, "video": 1}
    assert found.skipped["image"] == (SkippedSample(name=EMPTY, reason="empty file"),)
    assert len(found.units["image"]) == 13


def test_the_hash_follows_names_and_sizes(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n")
    first = find_files(tmp_path).sha256
    assert find_files(tmp_path).sha256 == first
    (tmp_path / "a.txt").write_text("three\n")
    assert find_files(tmp_path).sha256 != first


def test_nothing_to_read_is_one_line_that_says_what_is_known(tmp_path: Path) -> None:
    (tmp_path / "notes.doc").write_text("x")
    with pytest.raises(UsageError, match="nothing to read") as problem:
        find_files(tmp_path)
    assert ".flac" in (problem.value.hint or "")
    with pytest.raises(UsageError, match="no such file or folder"):
        find_files(tmp_path / "absent")


def test_transcripts_next_to_recordings_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "84-121123.trans.txt").write_text("84-121123-0000 GO\n")
    (tmp_path / "84-121123-0000.flac").write_bytes(b"x")
    assert find_files(tmp_path).modalities == ("audio",)


def test_shards_are_read_member_by_member(tmp_path: Path, small_data: Path) -> None:
    image = next((small_data / "images").rglob("image-*.jpg")).read_bytes()
    with tarfile.open(tmp_path / "train-0000.tar", "w") as shard:
        for name, data in (("0.jpg", image), ("0.cls", b"7"), ("1.jpg", image[:100])):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            shard.addfile(member, io.BytesIO(data))
    found = find_files(tmp_path)
    assert [unit.name for unit in found.units["image"]] == ["train-0000.tar:0.jpg", "train-0000.tar:1.jpg"]
    assert read_bytes(found.units["image"][0], is_cold=False) == image
    assert [one.name for one in screen(found, "image").skipped] == ["train-0000.tar:1.jpg"]


def test_the_screening_names_the_corrupt_image_with_its_reason(small_data: Path) -> None:
    found = {one.name: one.reason for one in screen(find_files(small_data), "image").skipped}
    assert set(found) == {CORRUPT, EMPTY}
    assert "truncated" in found[CORRUPT]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0\ufeff"), max_size=40), min_size=1, max_size=60))
def test_units_of_a_text_give_each_line_once(lines: list[str]) -> None:
    import tempfile

    data = "".join(f"{line}\n" for line in lines).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "book.txt"
        path.write_bytes(data)
        cuts = [*range(0, len(data), 17), len(data)]
        units = [Unit(str(path), "book.txt", start, end) for start, end in itertools.pairwise(cuts)]
        assert "".join(text for unit in units for text in documents(unit, is_cold=False, skips=[])).encode() == data


def test_json_lines_and_parquet_give_their_text(tmp_path: Path) -> None:
    lines = [json.dumps({"text": "good"}), "{broken", json.dumps({"title": "no text"}), json.dumps({"text": "also"})]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    pq.write_table(pa.table({"text": ["from a table", None]}), tmp_path / "b.parquet")
    skips: list[SkippedSample] = []
    assert texts_of(tmp_path, skips) == ["good", "also", "from a table"]
    assert [one.name.partition("@")[0] for one in skips] == ["a.jsonl", "a.jsonl", "b.parquet:0"]


def test_text_that_is_not_utf8_is_skipped_by_name(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9\n")
    (tmp_path / "good.txt").write_text("tea\n")
    assert [one.name for one in screen(find_files(tmp_path), "text").skipped] == ["latin.txt@0"]


@given(st.integers(1, 50), st.integers(1, 6), st.integers(0, 5))
def test_shards_share_an_epoch_without_overlap(num_units: int, num_shards: int, seed: int) -> None:
    units = [Unit("f", str(number), 0, 1) for number in range(num_units)]
    streams = [epochs(units, seed=seed, shard=Shard(index=index, count=num_shards)) for index in range(num_shards)]
    if num_units < num_shards:
        assert all({next(stream).name for _ in range(num_units)} == {unit.name for unit in units} for stream in streams)
        return
    seen = [next(stream).name for index, stream in enumerate(streams) for _ in range(len(range(index, num_units, num_shards)))]
    assert sorted(seen) == sorted(unit.name for unit in units)


def test_epochs_differ_and_a_seed_repeats_them() -> None:
    units = [Unit("f", str(number), 0, 1) for number in range(30)]

    def order(seed: int) -> list[str]:
        stream = epochs(units, seed=seed, shard=Shard())
        return [next(stream).name for _ in range(60)]

    assert order(1) == order(1) != order(2)
    assert order(1)[:30] != order(1)[30:]


def test_data_without_a_readable_sample_ends_with_an_error() -> None:
    def refuse(unit: Unit) -> object:
        raise OSError("bad")

    skips: list[SkippedSample] = []
    with pytest.raises(NothingReadableError):
        next(decoded(epochs([Unit("f", "f", 0, 1)], seed=0, shard=Shard()), refuse, skips=skips))  # type: ignore[arg-type]
    assert len(skips) == MAX_BARREN + 1


def test_the_page_cache_tells_hot_from_cold(tmp_path: Path) -> None:
    import os

    path = tmp_path / "block.bin"
    with path.open("wb") as file:
        file.write(os.urandom(1 << 20))
        os.fsync(file.fileno())
    warm([str(path)])
    if cached_fraction([str(path)]) is None:
        pytest.skip("this file system does not tell what is cached")
    assert cached_fraction([str(path)]) == 1.0
    drop(str(path))
    assert cached_fraction([str(path)]) != 1.0
