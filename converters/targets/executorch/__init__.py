"""ExecuTorch, lowered for one of its delegates."""
