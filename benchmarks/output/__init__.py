"""Reports as tables for the terminal, Markdown and HTML."""
