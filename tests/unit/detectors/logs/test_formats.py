"""The formats together: described, guessed or named, and none promises more than it tells."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from detectors.logs.formats.catalog import FORMATS, open_format
from detectors.logs.formats.faults import REASONS
from detectors.logs.formats.mapping import MappingFormat
from tests.unit.detectors.logs.samples import SAMPLES, told
from watchdog.domain.queries import FIELDS
from watchdog.errors import ConfigError, LineError
from watchdog.query_logs.sifting import FAULT
from watchdog.replay import words
from watchdog.replay.run import TOO_LONG, UNKNOWN

PAGE = (Path(__file__).parents[4] / "docs" / "query-logs.md").read_text(encoding="utf-8")


def test_a_mapping_takes_fields_from_where_it_says() -> None:
    form = MappingFormat(
        {
            "at": "time",
            "client": "user.key",
            "prompt": "messages.-1.content",
            "endpoint": "path",
            "turns": "messages",
            "refused": "finish",
            "status": 'http."status.code"',
            "logit_bias": "bias",
        }
    )
    line = {
        "time": "2026-11-24T22:00:00Z",
        "user": {"key": 17},
        "messages": [{"content": "a"}, {"content": [{"text": "b"}]}],
        "path": "/v1/x?y",
        "finish": "content_filter",
        "http": {"status.code": "200"},
        "bias": {"1": 2},
    }
    (query,) = form.parse(json.dumps(line).encode())
    assert told(query) == {
        "at": datetime(2026, 11, 24, 22, tzinfo=UTC).timestamp(),
        "client": "17",
        "endpoint": "/v1/x",
        "status": 200,
        "prompt": "b",
        "turns": 2,
        "refused": True,
        "logit_bias": 1,
    }
    assert form.fields == {"client", "prompt", "endpoint", "turns", "refused", "status", "logit_bias"}
    with pytest.raises(LineError) as caught:
        form.parse(b'{"user": {"key": "a"}}')
    assert caught.value.reason == "missing"


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_each_format_is_guessed_from_its_lines_also_between_bad_ones(name: str) -> None:
    line = SAMPLES[name].encode()
    chosen = open_format("auto", None, [b"", b"\xff\x00", b"{" * 500, line, b"[]", line, b'{"a":1}'])
    assert chosen.format.name == name
    assert chosen.why == f"2 of the first 6 lines look like {name}"


def test_a_format_tells_only_what_it_says_that_it_can() -> None:
    for name, line in SAMPLES.items():
        form = FORMATS[name]()
        (query,) = form.parse(line.encode())
        assert told(query).keys() - {"at"} <= form.fields


@pytest.mark.parametrize("lines", [[], [b""], [b'{"a": 1}'] * 20, [b"hello"]])
def test_an_unknown_format_is_an_error_that_names_the_known_ones(lines: list[bytes]) -> None:
    with pytest.raises(ConfigError) as caught:
        open_format("auto", None, lines)
    assert "format:" in caught.value.hint
    assert all(name in caught.value.hint for name in FORMATS)


def test_lines_of_two_formats_are_not_guessed_between() -> None:
    with pytest.raises(ConfigError, match=r"several formats fit many: (nginx|vllm) \(2\), (nginx|vllm) \(2\)"):
        open_format("auto", None, [SAMPLES["nginx"].encode(), SAMPLES["vllm"].encode()] * 2)


def test_the_page_says_of_each_format_which_fields_it_tells() -> None:
    table = [[cell.strip() for cell in it.strip("|").split("|")] for it in PAGE.splitlines() if it.count("|") == 8]
    (_, *names), _, *rows = table
    told_by = [FORMATS[name.strip("`")]().fields for name in names]
    seen: set[str] = set()
    for row, *cells in rows:
        fields = {it.strip("`") for it in row.split(", ")}
        assert [it != "\N{EN DASH}" for it in cells] == [bool(fields & it) for it in told_by], row
        seen |= fields
    assert seen == FIELDS
    assert {name.strip("`") for name in names} == FORMATS.keys()


def test_the_page_and_the_replay_have_words_for_every_reason() -> None:
    for reason in {*REASONS, FAULT, TOO_LONG}:
        assert f"`{reason}`" in PAGE
    assert {*REASONS, FAULT, TOO_LONG, UNKNOWN} == words.REASONS.keys()
