"""Which sizes of the engine suit a network and a target."""
