"""What a language model is made of, read from its transformers configuration: layers, heads, experts, caches, parameters.

The name of a model or of its folder decides nothing: ``describe`` reads the keys of ``config.json`` only.
"""
