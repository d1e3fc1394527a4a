"""From a demand to a purchase, over every deployment factor."""
