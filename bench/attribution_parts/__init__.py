"""The parts of bench/attribution.py, one concern each."""
