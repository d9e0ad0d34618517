"""Recorded logs, read to their ends: what is counted, who looked, and what the report may and may not claim."""

import base64
import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rich.console import Console

from detectors.logs.recorded import RecordedLog, open_recorded
from tests.alarms import ANY_ALARM, HOSTILE, alarm
from tests.builders import NOW
from watchdog.alarm_words import attribution
from watchdog.domain.findings import Severity
from watchdog.domain.queries import Alarm, DetectorState, Expectation, Looking, Query, Reference
from watchdog.errors import LineError, LogFileError
from watchdog.replay.html import html
from watchdog.replay.progress import shown
from watchdog.replay.report import FileRead, Found, Looked, Outcome, Report, gathered, merged, shorter_warm_up
from watchdog.replay.run import Replay, Source
from watchdog.replay.text import print_report
from watchdog.replay.tree import SCHEMA, tree
from watchdog.replay.words import verdict

LOOKING = DetectorState(rule="boundary_flood", looking=Looking.LOOKING)
BLIND = DetectorState(rule="key_sharing", looking=Looking.BLIND, missing=("address",))
WARMING = DetectorState(rule="usage_drift", looking=Looking.WARMING_UP, learned=20, needed=2_000)


@dataclass
class Scripted:
    """Detectors that learn from the first `needs` requests, and alarm at every fifth refused one of a client after."""

    needs: int = 0
    seen: int = 0
    refused: dict[str, int] = field(default_factory=dict)

    def observe(self, queries: Sequence[Query]) -> list[Alarm]:
        alarms = []
        for it in queries:
            self.seen += 1
            if it.refused and it.client is not None and self.seen > self.needs:
                self.refused[it.client] = self.refused.get(it.client, 0) + 1
                if self.refused[it.client] % 5 == 0:
                    alarms.append(replace(alarm(client=it.client), at=datetime.fromtimestamp(it.at, UTC)))
        return alarms

    def standing(self) -> Sequence[DetectorState]:
        looking = Looking.LOOKING if self.seen > self.needs else Looking.WARMING_UP
        return (
            DetectorState(
                rule="boundary_flood", looking=looking, learned=min(self.seen, self.needs), needed=self.needs
            ),
            BLIND,
        )

    def expect(self, these: Sequence[Expectation]) -> None: ...
    def last_hit(self, rule: str, client: str) -> float | None: ...
    def settled(self) -> Sequence[Reference]:
        return ()

    def forget(self, client: str | None) -> None: ...
    def changed(self) -> Mapping[str, bytes | None]:
        return {}

    def committed(self) -> None: ...
    def restore(self, state: Mapping[str, bytes]) -> None: ...


class Words:
    """A format of lines such as `12 alice refused`: when, who, and what came of it."""

    name = "words"
    fields = frozenset({"client", "refused"})

    def parse(self, line: bytes) -> Sequence[Query]:
        try:
            when, client, fate = line.split()
            return [Query(at=float(when), client=client.decode(), refused=fate == b"refused")]
        except ValueError:
            raise LineError("not words", hint="write words", reason="not_words") from None


def _log(folder: Path, lines: Sequence[str], name: str = "log.txt") -> Source:
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in lines))
    return Source(log=open_recorded(str(path)), form=Words())


def _replay(*sources: Source, needs: int = 0, references: Sequence[Source] = ()) -> Report:
    return Replay(lambda _: Scripted(needs)).run(sources, references)


def _flood(count: int, client: str = "mallory") -> list[str]:
    return [f"{100 + place} {client} refused" for place in range(count)]


ORDINARY = [f"{place} {client} fine" for place, client in enumerate(["alice", "bob", "carol"] * 20)]


def test_a_flood_is_found_and_counted_once_for_each_client(tmp_path: Path) -> None:
    report = _replay(_log(tmp_path, ORDINARY + _flood(17)))
    (found,) = report.found
    assert (report.outcome, found.alarm.client, found.times) == (Outcome.FOUND, "mallory", 3)
    assert (report.requests, report.clients, report.lines) == (77, 4, 77)
    assert verdict(report).startswith("Found something: 1 ticket.")


def test_a_terminal_is_told_how_far_it_is_and_nothing_else_is() -> None:
    for terminal in (True, False):
        out = io.StringIO()
        with shown(2_000, Console(file=out, width=120, force_terminal=terminal)) as told:
            told(taken=1_000, requests=5, alarms=1)
        assert ("1 alarm so far" in out.getvalue()) is terminal
        assert bool(out.getvalue()) is terminal


def test_nothing_found_is_said_with_what_could_not_look(tmp_path: Path) -> None:
    report = _replay(_log(tmp_path, ORDINARY))
    assert report.outcome is Outcome.CLEAN
    assert verdict(report) == "Nothing found by boundary_flood. key_sharing could not look."


def test_a_file_that_was_only_learned_from_is_not_clean(tmp_path: Path) -> None:
    report = _replay(_log(tmp_path, ORDINARY + _flood(17)), needs=1_000)
    assert report.outcome is Outcome.NOT_EVALUATED
    assert "All of it was needed to learn" in verdict(report)


def test_a_reference_is_learned_from_and_not_reported(tmp_path: Path) -> None:
    reference = _log(tmp_path, ORDINARY * 5 + _flood(5, "eve"), "reference.txt")
    report = _replay(_log(tmp_path, _flood(6)), needs=200, references=[reference])
    assert [it.alarm.client for it in report.found] == ["mallory"]
    assert (report.requests, report.clients) == (6, 1)
    assert report.reference is not None
    assert (report.reference.requests, report.reference.alarms) == (305, 1)


def test_the_time_from_which_a_detector_looked_is_told(tmp_path: Path) -> None:
    many = [f"{place} alice {'x' * 2_000}" for place in range(2_000)]
    report = _replay(_log(tmp_path, many), needs=600)
    (looked, _) = report.looked
    assert looked.since is not None
    assert 600 <= looked.since.timestamp() < 1_700


def test_malformed_lines_are_counted_by_reason_and_make_the_log_doubtful(tmp_path: Path) -> None:
    report = _replay(_log(tmp_path, ["garbage"] * 10 + ORDINARY))
    assert report.malformed == {"not_words": 10}
    (finding,) = report.about_the_log
    assert finding.rule == "log_integrity"
    assert report.outcome is Outcome.FOUND


def test_a_few_malformed_lines_are_not_news(tmp_path: Path) -> None:
    report = _replay(_log(tmp_path, ["garbage"] * 2 + ORDINARY))
    assert report.about_the_log == ()
    assert report.outcome is Outcome.CLEAN


def test_a_file_in_no_known_format_is_not_evaluated(tmp_path: Path) -> None:
    source = replace(_log(tmp_path, ["a", "b"]), form=None, why="the log fits none of litellm, nginx")
    report = _replay(source)
    assert report.outcome is Outcome.NOT_EVALUATED
    assert report.malformed == {"unknown_format": 2}
    assert report.files[0].problems == ("the log fits none of litellm, nginx",)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_log_reads_like_a_plain_one(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    text = "".join(f"{line}\n" for line in ORDINARY).encode()
    (tmp_path / "log").write_bytes(pack(text) + pack(b"99 dave fine"))
    log = open_recorded(str(tmp_path / "log"))
    assert log.head()[0] == ORDINARY[0].encode()
    assert _all(log) == [*(line.encode() for line in ORDINARY), b"99 dave fine"]
    assert log.taken == (tmp_path / "log").stat().st_size


def test_a_compressed_log_that_was_cut_is_read_as_far_as_it_goes_and_says_so(tmp_path: Path) -> None:
    lines = "".join(f"{place} alice fine{place}\n" for place in range(50_000)).encode()
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(lines)[:-2_000])
    report = Replay(lambda _: Scripted()).run([Source(log=open_recorded(str(path)), form=Words())])
    assert 1_000 < report.requests < 50_000
    assert report.outcome is Outcome.UNREADABLE
    assert "ended early" in report.files[0].problems[0]


def test_zstandard_is_refused_with_the_command_that_helps(tmp_path: Path) -> None:
    (tmp_path / "log.zst").write_bytes(b"\x28\xb5\x2f\xfd" + b"x" * 40)
    with pytest.raises(LogFileError) as caught:
        open_recorded(str(tmp_path / "log.zst")).head()
    assert "zstd -dc" in caught.value.hint


@given(
    st.lists(st.binary(max_size=30).map(lambda it: it.replace(b"\n", b"").replace(b"\r", b"")), max_size=30),
    st.integers(1, 40),
    st.integers(1, 20),
    st.booleans(),
    st.sampled_from([bytes, gzip.compress, bz2.compress, lzma.compress]),
)
def test_every_line_is_read_once_whatever_the_size_of_the_reads(
    lines: list[bytes], most: int, longest: int, ended: bool, pack: Callable[[bytes], bytes]
) -> None:
    raw = b"\n".join(lines) + (b"\n" if ended else b"")
    assume(pack is not bytes or not raw.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")))
    kept: list[bytes] = []
    skipped: list[int | None] = []
    with NamedTemporaryFile() as file:
        Path(file.name).write_bytes(pack(raw))
        log = replace(open_recorded(file.name), line_limit=longest)
        while not log.over:
            chunk = log.read(most)
            kept += chunk.lines
            skipped += [it.bytes_lost for it in chunk.gaps]
        log.close()
    whole = raw.split(b"\n")
    assert kept == [it for it in whole if it.strip() and len(it) <= longest]
    assert skipped == [len(it) for it in whole if len(it) > longest]


@pytest.mark.parametrize(
    ("written", "lines", "gaps"),
    [
        (b"1\n2\n3", [b"1", b"2", b"3"], []),
        (b"1", [b"1"], []),
        (b"12345678\n2\n", [b"2"], ["too_long"]),
        (gzip.compress(b"1\n2\n"), [b"1", b"2"], []),
        (gzip.compress(b"1\n2\n")[:-9], [b"1", b"2"], ["damaged"]),
        (b"", [], []),
    ],
)
def test_what_was_looked_at_in_a_pipe_is_read_all_the_same(
    tmp_path: Path, written: bytes, lines: list[bytes], gaps: list[str]
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(written,))
    writer.start()
    log = replace(open_recorded(str(pipe)), line_limit=5)
    log.head()
    chunks = []
    while not log.over:
        chunks.append(log.read(100))
    writer.join()
    log.close()
    assert [line for it in chunks for line in it.lines] == lines
    assert [gap.what for it in chunks for gap in it.gaps] == gaps
    assert log.taken == len(written)


@pytest.mark.parametrize("problem", ["does not exist", "is a folder"])
def test_what_cannot_be_read_is_named(tmp_path: Path, problem: str) -> None:
    path = tmp_path if problem == "is a folder" else tmp_path / "nowhere"
    with pytest.raises(LogFileError, match=problem):
        open_recorded(str(path))


def test_the_alarms_of_a_client_are_gathered_and_the_page_comes_first() -> None:
    ticket, page = alarm(client="a"), alarm(client="b", severity=Severity.CRITICAL)
    found, more = gathered([ticket, ticket, page, alarm(client="c")], 2)
    assert [(it.alarm.client, it.times) for it in found] == [("b", 1), ("a", 2)]
    assert more == 1


def test_an_organisation_is_not_told_of_beside_its_account() -> None:
    account = replace(alarm(client="key-1"), org="acme")
    whole = replace(alarm(client="org:acme"), org="acme")
    assert [it.alarm.client for it in gathered([whole, account], 9)[0]] == ["key-1"]
    worse = replace(whole, severity=Severity.CRITICAL)
    assert [it.alarm.client for it in gathered([worse, account], 9)[0]] == ["org:acme", "key-1"]
    assert "All accounts of organisation acme together" in attribution(whole)


def test_of_a_second_look_only_those_count_that_still_learned_in_the_first() -> None:
    first = _report(states=(LOOKING, WARMING))
    looked = replace(WARMING, looking=Looking.LOOKING)
    second = _report(alarm(rule="usage_drift"), alarm(), states=(replace(LOOKING, learned=9), looked))
    assert shorter_warm_up(first) is None  # it learned from 20, and a third of that is too few
    learned = replace(first, looked=(Looked(format="litellm", state=replace(WARMING, learned=90), since=None),))
    assert shorter_warm_up(learned) == 30
    both = merged(first, second, 30)
    assert [it.state for it in both.looked] == [LOOKING, looked]
    assert [(it.alarm.rule, it.alarm.expected) for it in both.found] == [("usage_drift", 2 * alarm().expected)]
    assert both.warm_up == 30
    assert shorter_warm_up(second) is None


def _report(*alarms: Alarm, path: str = "log.jsonl", states: Sequence[DetectorState] = (LOOKING, BLIND)) -> Report:
    file = FileRead(path=path, format="litellm", size=9, lines=9, requests=9, malformed=0, first=NOW, last=NOW)
    return Report(
        files=(file,),
        clients=2,
        malformed={},
        looked=tuple(Looked(format="litellm", state=it, since=None) for it in states),
        found=tuple(Found(alarm=it, times=1, since=it.since) for it in alarms),
        more_found=0,
        about_the_log=(),
        reference=None,
        seconds=0.1,
    )


class _Page(HTMLParser):
    """What a browser would make of a page: its elements with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_fetches_nothing_runs_nothing_and_can_be_read_aloud() -> None:
    page = html(_report(alarm()))
    read = _Page(page)
    assert not {"script", "link", "img", "iframe", "object", "form", "a"} & set(read.tags)
    assert not {name for name, _ in read.attributes} & {"src", "href", "style", "onload"}
    (style,) = re.findall("<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = [value for name, value in read.attributes if name == "content" and value and "-src" in value]
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert re.search(r'<html lang="en">.*<title>', page, re.DOTALL)
    assert read.tags.count("caption") == read.tags.count("table")
    assert read.tags.count("th") > 10
    assert all(value for name, value in read.attributes if name == "scope")
    (svg,) = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert "<title" in svg
    assert "<desc" in svg
    assert 'role="img"' in svg
    assert "prefers-color-scheme: dark" in page
    assert "bob@example.com" not in page
    assert "bob@example.com" in html(_report(alarm()), show_text=True)


BARE = _Page(html(_report(alarm(text="", blind=(), said=""))))


@settings(deadline=None, max_examples=60)
@given(ANY_ALARM, HOSTILE)
def test_nobody_can_put_an_element_into_the_page(it: Alarm, path: str) -> None:
    page = html(_report(it, path=path), show_text=True)
    page.encode()
    read = _Page(page)
    allowed = set(BARE.tags) | {"svg", "desc", "line", "polyline", "circle", "title"}
    assert set(read.tags) <= allowed
    assert {name for name, _ in read.attributes} <= {name for name, _ in BARE.attributes}
    assert "{{" not in page.replace("{{ 7 * 7 }}", "")


def test_every_client_that_was_found_is_named_also_where_it_has_only_a_line() -> None:
    clients = [f"key-{number}" for number in range(14)]
    page = io.StringIO()
    print_report(_report(*(alarm(client=it) for it in clients)), Console(file=page, width=200, highlight=False))
    text = page.getvalue()
    assert text.count("What now") == 10
    assert [it for it in clients if f"{it} probes" not in text] == []


@settings(deadline=None, max_examples=60)
@given(ANY_ALARM, HOSTILE)
def test_nothing_in_a_report_steers_a_terminal(it: Alarm, path: str) -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="utf-8")
    print_report(_report(it, path=path), Console(file=file, width=100, highlight=False), show_text=True)
    file.flush()
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", raw.getvalue().decode())


@settings(deadline=None, max_examples=60)
@given(ANY_ALARM)
def test_a_report_for_programs_is_json_that_every_parser_takes(it: Alarm) -> None:
    written = tree(_report(it))
    constants: list[str] = []  # NaN and Infinity, which are no JSON
    read = json.loads(json.dumps(written), parse_constant=constants.append)
    assert constants == []
    assert read == written


def test_the_shape_for_programs_is_a_promise() -> None:
    shape = tree(_report(alarm()))
    assert shape["schema"] == SCHEMA == "corrigibility-watchdog/replay/1"
    assert _shape(shape) == json.loads((Path(__file__).parent / "replay-1.json").read_text())


def _shape(value: object) -> object:
    """Return the names in a tree, and of what kind their values are."""
    if isinstance(value, dict):
        return {name: _shape(it) for name, it in value.items()}
    if isinstance(value, list):
        return [_shape(value[0])] if value else []
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def _all(log: RecordedLog) -> list[bytes]:
    lines: list[bytes] = []
    while not log.over:
        lines += log.read(100).lines
    log.close()
    return lines
