"""Space that a ledger keeps for itself beside the file, to give up when its disk is full."""

import os
from pathlib import Path

SIZE = 4 << 20
"""Bytes that are kept; at a few hundred bytes a leaf, room for hours of them."""

LITTLE = 256 << 10
"""Bytes left on the disk below which it is called full, whoever else still writes there."""


class Reserve:
    """A file of its own, made of space that is really taken."""

    def __init__(self, ledger: Path, size: int = SIZE) -> None:
        """Keep it beside a ledger; `keep` makes it."""
        self.path = ledger.with_name(ledger.name + ".reserve")
        self._size = size

    @property
    def kept(self) -> int:
        """Bytes that can be given up; 0 when there is no reserve."""
        try:
            return self.path.lstat().st_size
        except OSError:
            return 0

    def room(self) -> int:
        """Return the bytes that are left on the disk, the reserve not among them."""
        disk = os.statvfs(self.path.parent)
        return disk.f_bavail * disk.f_frsize

    def keep(self) -> bool:
        """Take the space, unless it is taken already or the disk would be left with too little; say whether it is."""
        try:
            if self.kept == self._size:
                return True
            if self.room() + self.kept < self._size + 2 * LITTLE:
                return False
            self._make()
        except OSError:
            return False
        return True

    def release(self) -> bool:
        """Give the space up, and say whether there was any."""
        try:
            self.path.unlink()
        except OSError:
            return False
        return True

    def _make(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self.path, flags, 0o600)
        try:
            # A file with a hole in it would hold no space.
            os.posix_fallocate(descriptor, 0, self._size)
            os.ftruncate(descriptor, self._size)
        except OSError:
            self.path.unlink()
            raise
        finally:
            os.close(descriptor)
