"""Precisions: the one table of them, and what each needs of a module before its conversion."""
