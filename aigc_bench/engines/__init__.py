"""One file per engine: what executes the model."""
