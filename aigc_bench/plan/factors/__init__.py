"""One file per deployment factor."""
