"""What tests share: plain functions and data, no tests."""
