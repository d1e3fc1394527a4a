"""From a run to numbers with interval, basis and verdict; and from two runs to a comparison."""
