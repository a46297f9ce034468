"""Compiles, tests and packs the Android app on Linux, without Gradle."""
