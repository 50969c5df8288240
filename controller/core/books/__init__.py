"""What the fleet earned, beside what was promised and what others would have earned."""
