"""A driver library built from C, whose behaviour a small script decides while it runs."""
