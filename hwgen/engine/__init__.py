"""The engine as numbers: instruction set, sizes, integer arithmetic, resources."""
