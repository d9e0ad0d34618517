"""What the fault tests share: a receiver, children to kill, and a disk that is small."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.harness import Nursery, nursery
from watchdog.rehearsal.receiver import Receiver
from watchdog.rehearsal.serving import serve


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def url(receiver: Receiver) -> Iterator[str]:
    with serve(receiver.app) as served:
        yield f"{served.base_url}/page"


@pytest.fixture(scope="module")
def children() -> Iterator[Nursery]:
    with nursery() as it:
        yield it


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk to fill; test_holding.py fills the file instead")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not allow a small disk to be mounted")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
