"""What samples say: statistics, flags, comparisons."""
