"""The search: every way to run each load on every accelerator, as arrays, and which of them is cheapest where."""
