"""The whole fleet at once: groups that are alike as counts, within every limit."""
