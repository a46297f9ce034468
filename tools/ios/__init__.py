"""Builds, tests and type-checks the iOS app on Linux, without Xcode."""
