"""Core ML packages, evaluated here by a reference evaluator."""
