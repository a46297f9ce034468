"""One export under way: what was asked, the model it is made of, the module to convert."""
