"""Studies: each module answers one question by measuring, as evidence for the documents."""
