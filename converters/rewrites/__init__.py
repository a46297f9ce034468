"""Exact rewrites of a loaded model, one a file, the algebra in each header."""
