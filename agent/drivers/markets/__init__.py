"""What is known of each marketplace for GPUs, as data."""
