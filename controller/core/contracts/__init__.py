"""Which groups serve which contract."""
