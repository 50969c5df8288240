"""GPU profiles: set, read back, compared. Whoever sets does it in a process that may be killed."""
