"""From what sources say to what may be believed."""
