"""One GPU group: what each of its options earns, and whether it may move."""
