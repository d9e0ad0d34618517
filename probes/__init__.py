"""Correction probes, comparison questions, and the channels and scorers that reach a model."""
