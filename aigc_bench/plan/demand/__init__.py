"""Read a demand file: TOML with units in its keys, checked against records that document every key."""
