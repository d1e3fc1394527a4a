"""Render the report of a plan, one section per file."""
