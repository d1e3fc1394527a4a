"""The model against results: published tables, and a user's own runs."""
