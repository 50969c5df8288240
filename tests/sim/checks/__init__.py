"""Checkers: small, independent, and asked at the very moment at which a promise could be broken.

Each is a pure function that says what is wrong, or nothing. `Witness` makes that a failure.
"""
