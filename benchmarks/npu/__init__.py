"""Bundles on the simulated NPU of Qualcomm's chips."""
