"""Rules that turn scores and queries into evidence; numbers in, values out."""
