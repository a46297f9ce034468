"""Reading checkpoints of five origins, writing them in four naming schemes."""
