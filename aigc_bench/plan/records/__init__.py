"""The records of a plan, one file per subject: inputs at the bottom, Option and Plan on top."""
