"""The demand as a person writes it: a TOML file with units in its keys, checked against records that document every key."""
