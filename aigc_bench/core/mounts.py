"""Mounted file systems as the kernel lists them, with the escapes of their names undone (proc(5), fstab(5))."""

from __future__ import annotations

import os
import re
from pathlib import Path

from aigc_bench.core.records import Record

LISTED = Path("/proc/self/mounts")
# The kernel escapes blank, tab, newline, backslash and # as three octal digits; every other byte is written as it is.
_ESCAPE = re.compile(rb"\\([0-7]{3})")


class Mount(Record):
    """One line of the list: the device (or its stand-in), where it is mounted, and the type of the file system."""

    device: str
    point: Path
    kind: str


def mount_of(folder: Path, *, listed: Path = LISTED) -> Mount | None:
    """Return the mount that ``folder`` lies on; ``None`` where the kernel lists none (another system, no /proc)."""
    try:
        lines = listed.read_bytes().splitlines()
    except OSError:
        return None
    place, found = folder.resolve(), None
    for line in lines:
        fields = line.split()
        if len(fields) < 3:
            continue
        device, point, kind = (unescaped(field) for field in fields[:3])
        mount = Mount(device=device, point=Path(point), kind=kind)
        # The longest mount point; of two mounts on one, the later covers the earlier.
        if place.is_relative_to(mount.point) and (found is None or len(mount.point.parts) >= len(found.point.parts)):
            found = mount
    return found


def unescaped(field: bytes) -> str:
    """Return a name of the list as Python names files: ``\\040`` is a blank, bytes beyond ASCII stay what they are."""
    return os.fsdecode(_ESCAPE.sub(lambda match: bytes([int(match[1], 8) & 0xFF]), field))
