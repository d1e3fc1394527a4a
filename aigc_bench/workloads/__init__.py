"""One file per model family: its presets, its stages, and how to build it."""
