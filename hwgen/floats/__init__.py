"""The float graph: kinds of nodes, what is legal, evaluation."""
