"""Errors, units, records and the registry: what everyone speaks. Standard library and pydantic only."""
