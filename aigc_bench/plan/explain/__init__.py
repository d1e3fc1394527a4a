"""How every number of a plan follows: its formula, what goes in, and so on down to leaves with a source and a basis."""
