"""LiteRT (TensorFlow Lite): everything that knows its packages."""
