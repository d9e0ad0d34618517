"""What the configuration takes is documented, and what the documents show is taken."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from watchdog.cli.setup import STARTER
from watchdog.time_to_detect import MOST_OBSERVATIONS
from watchdog.wiring import read_config, settings_shape, survey

DOCS = Path(__file__).parents[2] / "docs"
CONFIGURATION = (DOCS / "configuration.md").read_text(encoding="utf-8")
SCHEMA: dict[str, Any] = settings_shape().model_json_schema()
SECTIONS: list[dict[str, Any]] = [SCHEMA, *SCHEMA["$defs"].values()]
KEYS = sorted({key for section in SECTIONS for key in section.get("properties", ())})
KINDS = sorted(
    {kind for section in SECTIONS if (kind := section.get("properties", {}).get("kind", {}).get("const")) is not None}
)


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_documented(key: str) -> None:
    assert f"`{key}`" in CONFIGURATION, f"docs/configuration.md does not name the key {key}"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_documented(kind: str) -> None:
    assert f"`{kind}`" in CONFIGURATION, f"docs/configuration.md does not name the kind {kind}"


def test_every_whole_configuration_in_the_documents_is_accepted() -> None:
    whole = [
        yaml.safe_load(block)
        for page in sorted(DOCS.glob("*.md"))
        for block in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    ]
    whole = [it for it in whole if isinstance(it, dict) and "ledger" in it]
    assert whole
    for it in whole:
        settings_shape().model_validate({key: value for key, value in it.items() if not key.startswith("x-")})


def test_the_times_in_the_document_are_those_of_the_starter_configuration(tmp_path: Path) -> None:
    (tmp_path / "watchdog.yaml").write_text(STARTER)
    (found,) = survey(read_config(tmp_path / "watchdog.yaml"))
    told = [wait.half_of_runs for situation in found.situations[:2] for wait in situation.waits]
    document = (DOCS / "what-is-detected.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?:delivered replies are|the correction).*$", document, re.MULTILINE)
    counts = [re.match(r" (?:(\d+) round|not within 10,000)", cell) for row in rows for cell in row.split("|")[2:5]]
    assert [None if it is None or it[1] is None else int(it[1]) for it in counts] == told
    assert MOST_OBSERVATIONS == 10_000
