"""``python -m aigc_bench`` is ``aigc-bench``."""

import sys

from aigc_bench.cli import main

if __name__ == "__main__":
    sys.exit(main())
