"""The nouns of a plan, one file per owner: inputs low, Option and Plan on top."""
