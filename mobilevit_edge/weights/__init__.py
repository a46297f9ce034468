"""Checkpoints of four origins in, three naming schemes out."""
