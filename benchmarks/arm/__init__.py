"""ARM code under emulation: instructions executed, and answers that must agree with x86."""
