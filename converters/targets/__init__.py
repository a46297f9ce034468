"""One folder a target; ``base`` says what a target is and which there are."""
