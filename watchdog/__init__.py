"""The corrigibility watchdog's kernel and assembly; imports nothing, so that a domain value costs nothing to load."""
