"""One offline HTML file for a run and its plan."""
