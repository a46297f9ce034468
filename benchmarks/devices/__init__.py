"""Measuring on phones that are attached to this machine."""
