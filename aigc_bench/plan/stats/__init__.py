"""Statistics of a plan: arithmetic on estimates, distributions, queues, availability."""
