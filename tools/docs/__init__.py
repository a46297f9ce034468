"""The documents as a site, and what of them is made from the code."""
