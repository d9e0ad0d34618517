"""Teacher-forced scores of the direct model, as plain numpy values."""
