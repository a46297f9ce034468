"""Latency on one core: what is compared, how it is timed, what comes out."""
