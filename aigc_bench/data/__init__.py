"""Real data in and out: files found and screened, read, decoded, tokenised, resampled; products encoded, filtered and signed."""
