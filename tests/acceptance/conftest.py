"""What several acceptance tests begin with, made once."""

from pathlib import Path

import pytest

from tests.month import Month


@pytest.fixture(scope="session")
def march(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with a month of rounds, and the incidents that came of it."""
    path = tmp_path_factory.mktemp("march") / "ledger.sqlite"
    Month(path).live(1, 31)
    return path
