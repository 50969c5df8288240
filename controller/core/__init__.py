"""What decides for the fleet. Pure: no clock, no I/O, no randomness, no logging."""
