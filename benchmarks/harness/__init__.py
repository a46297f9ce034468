"""Measuring: a plan, processes one after another, samples."""
