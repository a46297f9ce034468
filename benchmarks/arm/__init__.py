"""ARM code under emulation: instructions executed, and results that must agree with x86."""
