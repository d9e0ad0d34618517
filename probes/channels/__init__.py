"""Ways to reach a model; each module is one kind of channel."""
