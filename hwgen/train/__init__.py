"""Training of zoo networks: `train("models/recipes/digits.toml")`.

A run is fixed by its recipe; it can be stopped and resumed with the same result.
"""

from hwgen.train.loop import TrainResult, evaluate, train

__all__ = ["TrainResult", "evaluate", "train"]
