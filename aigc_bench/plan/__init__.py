"""From a demand to a purchase, over six deployment factors."""
