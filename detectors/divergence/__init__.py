"""Is the delivered reply what the direct model says? Pure numpy over a scorer's values."""
