"""A third party's package as it would be installed: put ``FOLDER`` on ``PYTHONPATH`` and its entry points are found."""

from pathlib import Path

FOLDER = Path(__file__).parent
