"""Reports for people: the same content as Markdown and as one self-contained HTML page."""
