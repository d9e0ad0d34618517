"""The page about channels names every kind and every key that there is."""

from pathlib import Path

import pytest

from probes.catalog import CHANNELS
from probes.channels.config import HttpConfig

PAGE = (Path(__file__).parents[3] / "docs" / "channels.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", CHANNELS)
def test_the_page_has_a_row_for_each_kind_with_its_own_keys(kind: str) -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{kind}` |")]
    shared = set(HttpConfig.model_fields)
    own = [it.alias for name, it in CHANNELS[kind].settings.model_fields.items() if name not in shared]

    assert [key for key in own if f"`{key}`" not in row] == []


def test_the_page_names_every_key_of_an_http_channel() -> None:
    keys = [it.alias for name, it in HttpConfig.model_fields.items() if name != "kind"]

    assert [key for key in keys if f"`{key}`" not in PAGE] == []
