"""Inference servers as data: one row of a table for each, and how to tell whether one is busy."""
