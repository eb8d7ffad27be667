"""Scheduling: integer graph -> program (instructions, weight image, expected writes)."""
