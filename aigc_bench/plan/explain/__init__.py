"""Show how every number of a plan is derived: its formula and inputs, down to leaves with a source and a basis."""
