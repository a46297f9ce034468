"""Reading checkpoints of four origins, writing them in three naming schemes."""
