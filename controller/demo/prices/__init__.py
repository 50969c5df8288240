"""Recorded public prices for the demo; `SOURCES.md` says whose they are and what was changed."""
