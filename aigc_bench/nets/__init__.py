"""Architectures in `torch.nn` that no library owns: the ones the field teaches from scratch."""
