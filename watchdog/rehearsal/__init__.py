"""Deliberate faults on real servers: what `demo` shows, and what drills use to prove that the pager rings."""
