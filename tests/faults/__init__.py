"""The real program under faults: signals, full disks, removed folders, clocks, limits, and a driver that misbehaves."""
