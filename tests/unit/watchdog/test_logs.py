"""Log lines: one event a line, and a reader that does not read stops nobody."""

import os
import threading
import time

from tests.daemons import Lines
from watchdog.logs import Sink, make_log


def test_a_reader_that_does_not_read_stops_nobody_and_what_is_lost_is_counted() -> None:
    reading, writing = os.pipe()
    sink = Sink(writing, limit=10)
    writer = threading.Thread(target=sink.write_all, daemon=True)
    writer.start()
    log = make_log("json", sink)
    begun = time.monotonic()
    for number in range(3000):
        log.info("round.finished", number=number, text="x" * 100)
    assert time.monotonic() - begun < 5
    assert sink.dropped > 0
    os.close(reading)
    sink.stop(writer)
    os.close(writing)


def test_a_line_is_one_line_whatever_somebody_wrote_into_it() -> None:
    lines = Lines()
    log = make_log("json", lines)
    log.error("round.failed", problem="a\nb\x1b[31mc\u202e", other=object())

    (line,) = lines.kept
    assert line["problem"] == "a b\N{REPLACEMENT CHARACTER}[31mc\N{REPLACEMENT CHARACTER}"
    assert line["event"] == "round.failed"
