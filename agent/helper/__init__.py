"""The root helper: sets GPU profiles for the agent, which is nobody in particular.

It has no network, reads one file that only root can write, and takes no value, path or command.
"""
