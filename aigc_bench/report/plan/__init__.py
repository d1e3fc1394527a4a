"""The report of a plan, one section a file."""
