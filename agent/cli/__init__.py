"""Verbs of `rigshift-agent` that are for the machine's owner: they are shown, then done."""
