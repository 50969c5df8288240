"""Sources of prices: adapters of the `Feed` port, one per file."""
