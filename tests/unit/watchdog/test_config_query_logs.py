"""Query logs in the configuration: names are checked, faults have their line, and a missing extra is said."""

from pathlib import Path

import pytest

from watchdog.config.json_paths import follow, path_of
from watchdog.config.load import load
from watchdog.config.model import KindSection, NotifierSection, Settings
from watchdog.errors import ConfigError
from watchdog.wiring import settings_shape

GOOD = """\
ledger: ./ledger.sqlite
targets:
  - {name: chat, delivered: {kind: scripted}}
query-logs:
  - name: gateway
    paths: ["./log/*.jsonl", /var/log/gateway]
    target: chat
    detectors: [boundary_flood]
    segments: {red-team: {clients: ["key-abc*"]}}
    warm-up: 500
    line-limit: 65536
    from: beginning
log-tickets-per-week: 0.5
log-pages-per-year: 2
"""
DETECTORS = ("boundary_flood", "rate_burst")
FORMATS = ("litellm", "otel")


def _read(
    folder: Path, *texts: str, lacking: str = "", detectors: tuple[str, ...] | None = DETECTORS
) -> Settings[KindSection, NotifierSection]:
    paths = []
    for number, text in enumerate(texts):
        paths.append(folder / f"{number}.yaml")
        paths[-1].write_text(text)
    shape, formats = settings_shape(), None if detectors is None else FORMATS
    loaded = load(paths, shape, detectors=detectors, log_formats=formats, lacking=lambda: lacking, environ={})
    return loaded.settings


def test_a_log_is_read_with_its_paths_beside_the_file(tmp_path: Path) -> None:
    settings = _read(tmp_path, GOOD)
    (log,) = settings.query_logs
    assert log.paths == (tmp_path / "log/*.jsonl", Path("/var/log/gateway"))
    assert (log.format, log.target, log.detectors, log.warm_up) == ("auto", "chat", ("boundary_flood",), 500)
    assert (log.from_, log.line_limit, log.segments["red-team"].clients) == ("beginning", 65536, ("key-abc*",))
    assert (settings.log_tickets_per_week, settings.log_pages_per_year) == (0.5, 2)


def test_what_is_left_out_has_a_default(tmp_path: Path) -> None:
    (log,) = _read(tmp_path, GOOD.split("    target", maxsplit=1)[0]).query_logs
    assert (log.from_, log.line_limit, log.detectors, log.target, log.mapping) == ("end", 16 << 20, None, None, None)
    assert _read(tmp_path, GOOD.split("query-logs", maxsplit=1)[0]).query_logs == ()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "boundary_flood",
            "boundary_flod",
            ":8: query-logs[0].detectors[0]: there is no detector called 'boundary_flod'; did you mean",
        ),
        (
            "target: chat",
            "target: chta",
            ":7: query-logs[0].target: there is no target called 'chta'; did you mean 'chat'?",
        ),
        ("target: chat", "format: litelm", "there is no log format called 'litelm'; did you mean 'litellm'?"),
        ("target: chat", "format: mapping", "`format: mapping` needs it"),
        ("target: chat", "mapping: {at: ts}", "`mapping` belongs with `format: mapping`"),
        ("target: chat", "format: mapping\n    mapping: {client: a}", "has to say where `at` is"),
        (
            "target: chat",
            "format: mapping\n    mapping: {at: ts, clinet: a}",
            "a request has no field called 'clinet'; did you mean 'client'?",
        ),
        ("target: chat", "format: mapping\n    mapping: {at: a..b}", "expected keys and list positions with dots"),
        ("red-team:", "default:", "`default` is what every client is in that no segment names"),
        ('["key-abc*"]', "[]", "segments.red-team.clients: expected at least 1 of them, got a list of 0"),
        ("from: beginning", "from: start", "expected 'beginning' or 'end', got a text"),
        ("line-limit: 65536", "line-limit: 3", "line-limit: expected at least 1024, got 3"),
        ("warm-up: 500", "warmup: 500", "warmup: unknown key; did you mean 'warm-up'?"),
        ('["./log/*.jsonl", /var/log/gateway]', "[]", "query-logs[0].paths: expected at least 1 of them"),
        ("log-pages-per-year: 2", "log-pages-per-year: 0", "log-pages-per-year: expected more than 0, got 0"),
        (
            "log-tickets",
            "  - {name: gateway, paths: [x]}\nlog-tickets",
            "query-logs: the name 'gateway' is used already at",
        ),
    ],
)
def test_each_fault_is_named_where_it_is(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        _read(tmp_path, GOOD.replace(old, new, 1))
    assert said in caught.value.problem


def test_without_the_extra_the_configuration_says_what_to_install(tmp_path: Path) -> None:
    said = "reading query logs needs msgspec: pip install 'corrigibility-watchdog[logs]'"
    with pytest.raises(ConfigError, match=r"0.yaml:4: query-logs: reading query logs needs msgspec: pip install"):
        _read(tmp_path, GOOD, lacking=said)
    assert _read(tmp_path, GOOD.split("query-logs", maxsplit=1)[0], lacking=said).query_logs == ()


def test_logs_may_stand_in_several_files_each_with_its_own_folder(tmp_path: Path) -> None:
    more = 'query-logs:\n  - {name: other, paths: ["x.log"], format: mapping, mapping: {at: \'a."b.c".-1\'}}\n'
    logs = _read(tmp_path, GOOD, more, detectors=None).query_logs
    assert [it.name for it in logs] == ["gateway", "other"]
    assert logs[1].paths == (tmp_path / "x.log",)


def test_a_path_leads_through_keys_and_lists_or_nowhere() -> None:
    value = {"a": [{"b.c": 1}, {"b.c": 2}], "0": "key"}
    assert follow(value, path_of('a.-1."b.c"')) == 2
    assert follow(value, path_of("0")) == "key"
    assert [follow(value, path_of(it)) for it in ("a.2", "a.b", "a.0.x.y", "b", "a.-3")] == [None] * 5
    for wrong in ("", ".", "a.", "a..b", "a b", '"a', 'a"b"'):
        with pytest.raises(ValueError, match="expected keys"):
            path_of(wrong)
