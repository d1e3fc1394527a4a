"""One file per sensor source, and the process that samples them."""
