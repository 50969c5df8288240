"""Replays: any timing policy over recorded series, against the best that hindsight could do."""
