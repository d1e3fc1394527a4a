"""``python -m aigc_bench`` is ``aigc-bench``."""

import os
import sys

if not sys.flags.safe_path and sys.path and sys.path[0] == os.getcwd():  # noqa: PTH109 - nothing more may be imported yet
    del sys.path[0]  # -m puts the current directory first: a json.py beside a demand would be imported

from aigc_bench.cli import main

if __name__ == "__main__":
    sys.exit(main())
