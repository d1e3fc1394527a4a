"""``python -m aigc_bench`` is ``aigc-bench``."""

import contextlib
import os
import sys

with contextlib.suppress(OSError):  # a current directory that was removed is not on the path
    if not sys.flags.safe_path and sys.path[0] == os.getcwd():  # noqa: PTH109 - nothing more may be imported yet
        del sys.path[0]  # -m puts the current directory first: a json.py next to a demand would be imported

from aigc_bench.cli import main

if __name__ == "__main__":
    sys.exit(main())
