"""One question each, answered by measuring: the evidence behind the documents."""
