"""What a process does: probe the targets, read the query logs, or both."""

from enum import StrEnum


class Role(StrEnum):
    """What `run --role` says."""

    ALL = "all"
    PROBES = "probes"
    STREAM = "stream"

    @property
    def probes(self) -> bool:
        """Whether it runs rounds on targets."""
        return self is not Role.STREAM

    @property
    def streams(self) -> bool:
        """Whether it reads query logs."""
        return self is not Role.PROBES
