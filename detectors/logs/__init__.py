"""Query logs: files that are read without losing a line, and what their lines say."""
