"""From loads to a number of machines."""
