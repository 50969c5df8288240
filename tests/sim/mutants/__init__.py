"""Planted protocol bugs: each switches one defence off, and the simulation must notice."""
