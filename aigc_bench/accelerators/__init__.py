"""One file per device backend: synchronise, events, peak memory, what it supports."""
