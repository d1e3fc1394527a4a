"""Render a run and its plan as one offline HTML file."""
