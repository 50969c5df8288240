"""What decides on a rig. Pure: no clock, no I/O, no randomness, no logging."""
