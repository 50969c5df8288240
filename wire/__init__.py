"""The contract between rigs and controller: values, messages, links. Imports neither side."""
