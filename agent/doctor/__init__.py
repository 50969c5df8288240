"""Looks for what keeps a rig from working, and says how to mend it. Changes nothing.

Each module looks at one part of the machine and yields findings. What cannot be looked at is
no finding: it is told apart, as not looked at.
"""
