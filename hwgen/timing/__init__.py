"""Cycles of a program, predicted: every instruction, the memory port, the causes."""
