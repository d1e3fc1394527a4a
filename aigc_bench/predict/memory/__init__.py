"""Peak memory of a traced case."""
