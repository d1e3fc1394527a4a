"""Closed forms for language models and repeated steps: terms in seconds at the device's peaks."""
