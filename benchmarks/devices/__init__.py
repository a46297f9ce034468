"""Measuring on phones: attached to this machine, or by a page in any browser."""
