"""A log is watched itself: for lines that are lost, lines that are none, and what nobody can see in it."""

from datetime import timedelta

import pytest

from tests.builders import NOW
from tests.streams import LOG, RULE
from watchdog.domain.findings import Finding, Recovery, Severity
from watchdog.domain.queries import DetectorState, LogChunk, LogGap, LogPosition, Looking
from watchdog.query_logs.checks import Checked, LogChecks
from watchdog.query_logs.sifting import Sifted

SEES = (DetectorState(rule=RULE, looking=Looking.LOOKING),)
BLIND = (DetectorState(rule=RULE, looking=Looking.BLIND, missing=("prompt",)),)


def gap(what: str, path: str = "/var/log/a", lost: int | None = 10) -> LogGap:
    return LogGap(path=path, what=what, why=f"it is {what}", bytes_lost=lost)


class Looks:
    """A log's checks on a clock that a test moves."""

    def __init__(self, wanted: frozenset[str] | None = None) -> None:
        self.checks = LogChecks(LOG, wanted)
        self.time = NOW

    def at(
        self,
        seconds: float,
        sifted: Sifted | None = None,
        *gaps: LogGap,
        standing: tuple[DetectorState, ...] = SEES,
        lag: int = 0,
    ) -> Checked:
        chunk = LogChunk(lines=(), position=LogPosition(), gaps=gaps, lag_bytes=lag)
        return self.checks.look(chunk, sifted or Sifted(), standing, self.time + timedelta(seconds=seconds))


def good(count: int, *, bad: int = 0, backward: int = 0) -> Sifted:
    return Sifted(lines=count + bad, queries=count, malformed={"not_json": bad}, backward=backward, newest=NOW)


def only(looked: Checked) -> Finding:
    (finding,) = looked.findings
    return finding


def by(looked: Checked) -> list[str]:
    assert looked.findings == ()
    return [it.by for it in looked.recoveries if isinstance(it, Recovery)]


def test_lost_lines_are_a_gap_with_what_was_lost_and_a_day_without_is_its_end() -> None:
    looks = Looks()
    finding = only(looks.at(0, None, gap("truncated"), gap("vanished", lost=None)))
    assert (finding.rule, finding.subject) == ("log_gap", LOG)
    assert "10 bytes and an unknown number more" in finding.summary
    assert by(looks.at(86_399)) == []
    assert by(looks.at(86_400)) == ["no-gap-for-a-day"]
    assert by(looks.at(99_999_999)) == []


@pytest.mark.parametrize(("bad", "told"), [(10, False), (11, True)])
def test_more_than_one_per_cent_of_a_minutes_lines_is_too_many(bad: int, told: bool) -> None:
    looks = Looks()
    looks.at(0, good(990, bad=0))
    looks.at(30, good(10 - bad + 0, bad=bad) if bad < 10 else good(0, bad=bad))
    assert bool(looks.at(60).findings) is told


def test_the_malformed_lines_of_a_quiet_log_need_to_be_some() -> None:
    looks = Looks()
    looks.at(0, good(2, bad=4))
    assert looks.at(60).findings == ()


def test_bad_lines_without_any_good_one_are_told_after_a_minute() -> None:
    looks = Looks()
    looks.at(0, good(0, bad=50))
    finding = only(looks.at(61))
    assert (finding.rule, finding.summary) == (
        "log_integrity",
        f"{LOG}: 50 of 50 lines of a minute could not be read",
    )


def test_a_line_that_is_too_long_is_a_malformed_line_and_no_gap() -> None:
    looks = Looks()
    assert looks.at(0, None, *[gap("too_long")] * 6).findings == ()
    assert only(looks.at(61)).rule == "log_integrity"


def test_integrity_is_over_after_an_hour_of_sound_lines_and_silence_is_none() -> None:
    looks = Looks()
    looks.at(0, good(0, bad=50))
    looks.at(61)
    assert by(looks.at(3_700)) == []
    assert by(looks.at(3_701, good(1))) == ["sound-for-an-hour"]
    assert by(looks.at(9_999, good(1))) == []


def test_time_that_goes_backwards_is_told_where_the_log_is_read_as_it_is_written() -> None:
    looks = Looks()
    looks.at(0, good(10))
    looks.at(1, good(90, backward=20))
    assert "lies hours behind" in only(looks.at(61)).summary


def test_lines_of_several_files_that_are_caught_up_with_may_come_in_any_order() -> None:
    looks = Looks()
    looks.at(0, good(100, backward=50), lag=1000)
    looks.at(1, good(100, backward=50), lag=1000)
    assert looks.at(61).findings == ()


def test_a_file_that_cannot_be_read_is_told_after_a_minute_and_once() -> None:
    looks = Looks()
    assert looks.at(0, good(300), gap("unreadable")).findings == ()
    finding = only(looks.at(61, None, gap("unreadable")))
    assert (finding.rule, finding.severity) == ("blind.log", Severity.ERROR)
    assert looks.at(62, None, gap("unreadable")).findings == ()
    assert by(looks.at(70, good(1))) == ["read-again"]


def test_a_detector_that_lacks_a_field_is_told_once_enough_requests_lacked_it() -> None:
    looks = Looks()
    assert looks.at(0, good(199), standing=BLIND).findings == ()
    finding = only(looks.at(1, good(1), standing=BLIND))
    assert (finding.rule, finding.severity) == ("blind.log", Severity.WARNING)
    assert f"{RULE} cannot look, for want of prompt" in finding.summary
    assert by(looks.at(2, good(1))) == ["read-again"]


def test_a_detector_that_nobody_relies_on_may_be_blind() -> None:
    looks = Looks(wanted=frozenset({"key_sharing"}))
    assert looks.at(0, good(300), standing=BLIND).findings == ()


def test_what_an_earlier_process_told_is_recovered_by_the_next_one_that_can_look() -> None:
    assert by(Looks().at(0, good(200))) == ["read-again"]
