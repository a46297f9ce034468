"""An export from checkpoint to verified bundle, step by step."""
