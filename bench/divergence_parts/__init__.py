"""The parts of bench/divergence.py, one concern each."""
