"""Miners as data: one row of a table for each, and what reads an API by such a row."""
