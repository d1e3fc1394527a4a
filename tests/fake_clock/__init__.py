"""A system clock that can be set in mid-run, for one program and its children: ``clock.c``, built with cc and preloaded."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, kw_only=True)
class FakeClock:
    """``env`` makes a program and its children see the clock."""

    library: Path
    shift: Path

    @classmethod
    def build(cls, folder: Path) -> FakeClock:
        """Build it in ``folder``; it shows the true time. Skips the test where there is no C compiler."""
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            pytest.skip("no C compiler to build the clock with")
        library, shift = folder / "fake_clock.so", folder / "shift"
        source = Path(__file__).with_name("clock.c")
        subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-std=gnu11", "-o", str(library), str(source)], check=True)
        shift.write_text("0")
        return cls(library=library, shift=shift)

    @property
    def env(self) -> dict[str, str]:
        """The environment of a program that sees this clock."""
        return {"LD_PRELOAD": str(self.library), "FAKE_CLOCK_SHIFT": str(self.shift)}

    def set(self, shift_s: int) -> None:
        """Step the clock to this many seconds off the true time, for whoever reads it next."""
        draft = self.shift.with_suffix(".new")
        draft.write_text(str(shift_s))
        draft.replace(self.shift)
