"""From a profile to a run on disk: cases, the parent, the worker, the store."""
