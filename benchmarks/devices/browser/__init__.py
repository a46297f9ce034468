"""Measuring in browsers: a page served from this machine, and the reports that it sends back."""
