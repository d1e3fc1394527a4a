"""From a description of the work to its time, memory and power on hardware that is not here."""
