"""Time and power of traced operators on a device."""
