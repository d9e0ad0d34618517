"""Online detectors of what one client of a watched API does: evidence from its requests, explained and bounded."""
