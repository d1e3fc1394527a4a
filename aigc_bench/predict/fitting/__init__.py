"""Fitting the closed forms to published rows: constants, random effects, intervals, and predictions with them."""
