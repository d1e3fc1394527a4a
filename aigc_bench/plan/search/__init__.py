"""The search: every configuration for each load on every accelerator, as arrays, and the cheapest configuration per host."""
