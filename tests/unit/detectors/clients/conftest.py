import pytest

from tests.unit.detectors.clients.watched import QUIET, a_watch


@pytest.fixture(scope="module")
def warm() -> dict[str, bytes]:
    """The state after some minutes of ordinary traffic."""
    watch = a_watch()
    assert watch.observe(QUIET) == []
    return {key: data for key, data in watch.changed().items() if data is not None}
