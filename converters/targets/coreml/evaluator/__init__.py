"""Evaluates a saved Core ML ML Program on any machine, with torch, from the file alone."""
