"""Puts the agent onto a machine as a service, and takes it off again.

What is to be done is a list of steps, computed from facts by pure functions; whoever shows the
list and whoever carries it out see the same. What the farm has edited is never overwritten.
"""
