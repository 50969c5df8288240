"""The contract between rigs and controller: values, messages, codec, links. Imports neither side."""
