"""Options: how each can be procured, assembled, judged by every factor, refused or mixed."""
