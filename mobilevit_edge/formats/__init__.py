"""File formats that leave this machine: bundles, latency reports, a bundle as one zip."""
