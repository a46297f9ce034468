"""What an artifact must show before its bundle is written."""
