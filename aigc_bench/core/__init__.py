"""Errors, units, records and the registry, shared by all parts. Standard library and pydantic only."""
