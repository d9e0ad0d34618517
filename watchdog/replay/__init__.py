"""Recorded query logs, read from beginning to end by the same detectors as live, and what is told about them."""
