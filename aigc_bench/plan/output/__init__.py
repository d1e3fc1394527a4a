"""A plan as JSON and CSV."""
