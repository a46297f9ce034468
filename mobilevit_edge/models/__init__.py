"""Reference models, as the papers have them."""
