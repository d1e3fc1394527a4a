"""The mount of a folder is found whatever bytes its name holds: blanks, backslashes, letters beyond ASCII, other encodings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.core.mounts import mount_of, unescaped
from aigc_bench.workloads import _disk


def escaped(name: bytes) -> bytes:
    """As the kernel writes it: fs/proc_namespace.c escapes these five, and nothing else."""
    return b"".join(b"\\%03o" % byte if byte in b" \t\n\\#" else bytes([byte]) for byte in name)


@pytest.mark.parametrize(
    "name", [b"my disk", "数据".encode(), "ü disk".encode(), b"tab\there", b"back\\slash", b"a#b", b"caf\xe9", b"\\040"]
)
def test_a_mount_point_is_found_by_any_name(tmp_path: Path, name: bytes) -> None:
    folder = tmp_path / os.fsdecode(name)
    (folder / "below").mkdir(parents=True)
    listed = tmp_path / "mounts"
    point = escaped(os.fsencode(folder))
    listed.write_bytes(b"overlay / overlay rw 0 0\n/dev/sdb1 " + point + b" ext4 rw 0 0\n/dev/sdb2 " + point + b" xfs rw 0 0\n")
    found = mount_of(folder / "below", listed=listed)
    assert found is not None
    # Of two mounts on one point the later covers the earlier.
    assert (found.device, found.point, found.kind) == ("/dev/sdb2", folder, "xfs")
    other = mount_of(tmp_path, listed=listed)
    assert other is not None and other.kind == "overlay"


@given(st.binary(min_size=1).filter(lambda name: b"\0" not in name))
def test_what_the_kernel_escapes_is_read_back(name: bytes) -> None:
    assert os.fsencode(unescaped(escaped(name))) == name


def test_a_system_that_lists_no_mounts_has_none(tmp_path: Path) -> None:
    assert mount_of(tmp_path, listed=tmp_path / "none") is None
    (tmp_path / "torn").write_bytes(b"tmpfs /\n\n")
    assert mount_of(tmp_path, listed=tmp_path / "torn") is None


@pytest.mark.skipif(not Path("/proc/self/mounts").exists(), reason="no /proc")
def test_the_kernel_s_own_list_names_what_this_folder_lies_on(tmp_path: Path) -> None:
    found = mount_of(tmp_path)
    assert found is not None and tmp_path.resolve().is_relative_to(found.point)
    assert _disk.file_system(tmp_path) == found.kind
