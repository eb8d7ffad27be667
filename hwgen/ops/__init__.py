"""Integer ops: each file holds all of one op (claims, shapes, ranges, execution, work, program)."""
