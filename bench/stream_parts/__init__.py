"""The parts of bench/stream.py, one concern each."""
