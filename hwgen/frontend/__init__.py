"""Checkpoint -> network -> traced float graph."""
