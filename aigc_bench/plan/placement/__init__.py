"""Placement: where the machines of an option stand, and the limits of that place."""
