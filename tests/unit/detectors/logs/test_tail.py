"""A log is read to its last line, once, whatever becomes of its files."""

import bz2
import gzip
import lzma
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from detectors.logs.tail import Tail
from watchdog.domain.queries import LogGap, LogPosition

KIB = b"x" * 1024


def _drain(tail: Tail, most: int = 1 << 20) -> list[bytes]:
    lines: list[bytes] = []
    while chunk := tail.read(most).lines:
        lines += chunk
    return lines


def _gaps(tail: Tail) -> list[LogGap]:
    return list(tail.read(1).gaps)


def _write(path: Path, *lines: str, end: str = "\n") -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write("\n".join(lines) + end)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "x.jsonl"


def test_lines_are_delivered_once_and_a_partial_line_waits(log: Path) -> None:
    _write(log, "1", "2", "3a", end="")
    tail = Tail([log])
    assert _drain(tail) == [b"1", b"2"]
    _write(log, "3b")
    assert _drain(tail) == [b"3a3b"]
    assert tail.read(1).lag_bytes == 0


def test_a_read_takes_about_what_was_asked_and_says_what_is_left(log: Path) -> None:
    _write(log, *[f"{it:01000d}" for it in range(1000)])
    chunk = Tail([log]).read(100_000)
    assert 90 <= len(chunk.lines) <= 110
    assert chunk.lag_bytes == 1001 * (1000 - len(chunk.lines))


def test_a_log_that_is_not_there_yet_is_waited_for(log: Path) -> None:
    tail = Tail([log])
    assert tail.read(1).lines == ()
    _write(log, "1")
    assert _drain(tail) == [b"1"]


def test_after_a_rename_the_old_file_is_finished_first(log: Path) -> None:
    _write(log, "1", "2")
    tail = Tail([log])
    assert tail.read(1).lines
    with log.open("a") as writer:
        log.rename(log.with_name("x.jsonl.1"))
        _write(log, "4")
        tail.read(1)
        writer.write("3\n")  # a writer that has not reopened its log yet
    assert set(_drain(tail)) <= {b"3", b"4"}
    chunk = Tail([log])
    chunk.resume(tail.read(1).position)
    assert _drain(chunk) == []


def test_the_last_partial_line_of_a_rotated_file_is_a_line_once_it_is_quiet(log: Path) -> None:
    _write(log, "1", "half", end="")
    clock = [time.time()]
    tail = Tail([log], now=lambda: clock[0])
    assert _drain(tail) == [b"1"]
    log.rename(log.with_name("x.jsonl.1"))
    _write(log, "2")
    assert _drain(tail) == [b"2"]
    clock[0] += 6
    assert _drain(tail) == [b"half"]
    assert _drain(tail) == []


def test_copytruncate_is_named_and_the_copy_is_read_to_its_end(log: Path) -> None:
    _write(log, "1", "2")
    tail = Tail([log])
    assert _drain(tail) == [b"1", b"2"]
    _write(log, "3")
    shutil.copy(log, log.with_name("x.jsonl.1"))
    os.truncate(log, 0)
    _write(log, "4")
    chunks = [tail.read(1), tail.read(1), tail.read(1)]
    assert sorted(line for it in chunks for line in it.lines) == [b"3", b"4"]
    (gap,) = [gap for it in chunks for gap in it.gaps]
    assert (gap.what, gap.bytes_lost) == ("truncated", None)


def test_a_copy_that_is_being_made_is_no_new_file(log: Path) -> None:
    _write(log, "1", "2", "3")
    tail = Tail([log])
    assert len(_drain(tail)) == 3
    copy = log.with_name("x.jsonl.1")
    for size in range(7):
        copy.write_bytes(log.read_bytes()[:size])
        assert _drain(tail) == []


def test_a_file_that_was_truncated_and_grew_past_the_old_offset_is_read_from_its_beginning(log: Path) -> None:
    _write(log, "old 1", "old 2")
    tail = Tail([log], grace_s=0)
    assert len(_drain(tail)) == 2
    os.truncate(log, 0)
    _write(log, *[f"new {it}" for it in range(100)])
    chunk = tail.read(1 << 20)
    assert [it.what for it in chunk.gaps] == ["truncated"]
    assert chunk.lines[0] == b"new 0"


def test_bytes_that_were_seen_and_not_read_are_told_as_lost(log: Path) -> None:
    _write(log, *(str(it) * 1000 for it in range(200)))
    tail = Tail([log], grace_s=0)
    read = sum(len(it) + 1 for it in tail.read(1).lines)
    size = log.stat().st_size
    os.truncate(log, 0)
    time.sleep(0.3)
    (gap,) = tail.read(1).gaps
    assert (gap.what, gap.bytes_lost) == ("truncated", size - read)


def test_a_reused_inode_is_another_file(log: Path, tmp_path: Path) -> None:
    _write(log, "old 1", "old 2")
    tail = Tail([log])
    _drain(tail)
    position = tail.read(1).position
    tail.close()
    (at,) = position.files
    log.write_text("new 1\nnew 2\nnew 3\n")  # the same inode, as if it had been given away again
    assert log.stat().st_ino == at.inode
    again = Tail([log])
    again.resume(position)
    assert _drain(again) == [b"new 1", b"new 2", b"new 3"]


@pytest.mark.parametrize(("ending", "compress"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
def test_lines_written_while_stopped_are_found_in_the_compressed_file(
    log: Path, ending: str, compress: Callable[[bytes], bytes]
) -> None:
    _write(log, "1", "2")
    tail = Tail([log])
    assert _drain(tail) == [b"1", b"2"]
    position = tail.read(1).position
    tail.close()
    _write(log, "3", "4")
    log.with_name(f"x.jsonl.2.{ending}").write_bytes(compress(log.read_bytes()))
    with log.open():  # so that its inode is not given to the next file
        log.unlink()
        _write(log, "5")
        log.rename(log.with_name("x.jsonl.1"))
        _write(log, "6")
    again = Tail([log])
    again.resume(position)
    chunks = [again.read(1 << 20) for _ in range(3)]
    assert [line for it in chunks for line in it.lines] == [b"3", b"4", b"5", b"6"]
    assert [gap for it in chunks for gap in it.gaps] == []


def test_a_rotated_file_that_is_compressed_after_it_was_read_is_not_read_again(log: Path) -> None:
    _write(log, "1", "2")
    clock = [time.time()]
    tail = Tail([log], now=lambda: clock[0])
    _drain(tail)
    old = log.with_name("x.jsonl.1")
    log.rename(old)
    _write(log, "3")
    assert _drain(tail) == [b"3"]
    packed = old.with_name("x.jsonl.1.gz")
    whole = gzip.compress(old.read_bytes())
    for size in (0, 5, 12, len(whole)):
        packed.write_bytes(whole[:size])
        assert _drain(tail) == []
    old.unlink()
    assert _drain(tail) == []
    clock[0] += 6
    assert _drain(tail) == []
    again = Tail([log])
    again.resume(tail.read(1).position)
    assert _drain(again) == []
    assert _gaps(again) == []


def test_files_rotated_before_the_first_start_are_not_read_unless_they_are_named(log: Path) -> None:
    _write(log.with_name("x.jsonl.1"), "old")
    log.with_name("x.jsonl.2.gz").write_bytes(gzip.compress(b"older\n"))
    _write(log, "new")
    assert _drain(Tail([log])) == [b"new"]
    assert set(_drain(Tail([f"{log}*"]))) == {b"old", b"older", b"new"}


def test_from_the_end_means_after_the_last_line_feed_and_only_at_the_first_start(log: Path) -> None:
    _write(log, "old", "begun ", end="")
    tail = Tail([log], from_end=True)
    assert _drain(tail) == []
    _write(log, "and ended")
    _write(log.with_name("y.jsonl"), "other")
    assert _drain(tail) == [b"begun and ended"]
    again = Tail([log], from_end=True)
    again.resume(LogPosition())
    assert _drain(again) == [b"old", b"begun and ended"]


def test_globs_and_folders_are_looked_at_again(tmp_path: Path) -> None:
    inside = tmp_path / "logs"
    inside.mkdir()
    glob, folder = Tail([f"{inside}/*.jsonl"]), Tail([inside])
    assert _drain(glob) == _drain(folder) == []
    _write(inside / "a.jsonl", "1")
    _write(inside / "b.txt", "2")
    _write(inside / ".hidden", "3")
    (inside / "folder").mkdir()
    assert _drain(glob) == [b"1"]
    assert sorted(_drain(folder)) == [b"1", b"2"]
    assert _gaps(folder) == []


def test_the_oldest_file_is_read_first(tmp_path: Path) -> None:
    for number, name in enumerate(("c", "a", "b")):
        _write(tmp_path / name, name)
        os.utime(tmp_path / name, (1000 + number, 1000 + number))
    assert _drain(Tail([tmp_path])) == [b"c", b"a", b"b"]


def test_links_and_pipes_are_gaps_for_as_long_as_they_last(tmp_path: Path) -> None:
    _write(tmp_path / "real", "secret")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    os.mkfifo(tmp_path / "pipe")
    tail = Tail([tmp_path / "link", tmp_path / "pipe"])
    gaps = list(tail.read(1).gaps)
    assert [it.what for it in gaps] == ["refused", "refused"]
    assert list(tail.read(1).gaps) == gaps
    (tmp_path / "link").unlink()
    (tmp_path / "pipe").unlink()
    _write(tmp_path / "pipe", "1")
    assert _drain(tail) == [b"1"]
    assert _gaps(tail) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_a_gap_until_it_may(log: Path) -> None:
    _write(log, "1")
    log.chmod(0)
    tail = Tail([log])
    assert [it.what for it in tail.read(1).gaps] == ["unreadable"]
    assert [it.what for it in tail.read(1).gaps] == ["unreadable"]
    log.chmod(0o600)
    assert _drain(tail) == [b"1"]


def test_a_folder_on_the_way_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "way").symlink_to(tmp_path / "real")
    _write(tmp_path / "real" / "x", "1")
    assert _drain(Tail([tmp_path / "way" / "x"])) == [b"1"]


def test_a_line_that_is_too_long_is_skipped_with_flat_memory(log: Path) -> None:
    limit = 1 << 16
    with log.open("wb") as file:
        file.write(b"first\n" + KIB * 300 + b"\n" + b"y" * limit + b"\nlast\n" + KIB * 200)
    tail = Tail([log], line_limit=limit)
    chunks = [tail.read(1 << 16) for _ in range(4)]
    assert [line for it in chunks for line in it.lines] == [b"first", b"y" * limit, b"last"]
    (gap,) = [gap for it in chunks for gap in it.gaps]
    assert (gap.what, gap.bytes_lost) == ("too_long", 300 << 10)
    _write(log, "", "after")
    chunks = [tail.read(1 << 16) for _ in range(2)]
    assert [line for it in chunks for line in it.lines] == [b"after"]
    assert [gap.bytes_lost for it in chunks for gap in it.gaps] == [200 << 10]


def test_bytes_that_are_not_utf8_are_handed_on_as_they_are(log: Path) -> None:
    log.write_bytes(b"\xff\xfe\x00\n\r\n\n")
    assert _drain(Tail([log])) == [b"\xff\xfe\x00", b"\r", b""]


def test_a_deleted_file_is_read_to_its_end(log: Path) -> None:
    _write(log, "1")
    tail = Tail([log], grace_s=0)
    assert _drain(tail) == [b"1"]
    _write(log, "2")
    log.unlink()
    _write(log, "3")
    chunks = [tail.read(1 << 20) for _ in range(3)]
    assert sorted(line for it in chunks for line in it.lines) == [b"2", b"3"]
    assert [gap for it in chunks for gap in it.gaps] == []


def test_a_file_that_vanished_while_stopped_is_a_gap(log: Path) -> None:
    _write(log, "1")
    tail = Tail([log])
    _drain(tail)
    position = tail.read(1).position
    tail.close()
    log.unlink()
    _write(log, "2")
    again = Tail([log], grace_s=0)
    again.resume(position)
    chunk = again.read(1 << 20)
    assert chunk.lines == (b"2",)
    assert [it.what for it in chunk.gaps] in (["vanished"], ["truncated"])  # the latter when the inode was reused


def test_a_broken_or_cut_compressed_file_is_a_gap_and_stops_nothing(tmp_path: Path) -> None:
    whole = gzip.compress(b"1\n" * 100_000)
    (tmp_path / "a.gz").write_bytes(whole[:-50])
    (tmp_path / "b.gz").write_bytes(whole[:30] + b"\xff" * 200)
    (tmp_path / "c.zst").write_bytes(b"\x28\xb5\x2f\xfdxxxxx")
    _write(tmp_path / "d", "4")
    clock = [time.time()]
    tail = Tail([tmp_path], now=lambda: clock[0])
    chunk = tail.read(1 << 24)
    assert b"4" in chunk.lines
    clock[0] += 100
    gaps = [*chunk.gaps, *tail.read(1 << 24).gaps]
    assert sorted(Path(it.path).name for it in gaps) == ["a.gz", "b.gz", "c.zst"]
    assert {it.what for it in gaps} == {"damaged"}


def test_the_position_stays_short_and_nothing_is_read_twice_for_it(
    tmp_path: Path,
) -> None:
    for number in range(60):
        path = tmp_path / f"x.log.{60 - number}"
        _write(path, str(number))
        os.utime(path, (1000 + number, 1000 + number))
    _write(tmp_path / "x.log", "last")
    tail = Tail([f"{tmp_path}/x.log*"], grace_s=0, most_files=10)
    lines = []
    for _ in range(30):
        lines += tail.read(1 << 20).lines
    position = tail.read(1).position
    assert lines == [*(str(it).encode() for it in range(60)), b"last"]
    assert len(position.files) <= 20
    again = Tail([f"{tmp_path}/x.log*"], most_files=10)
    again.resume(position)
    assert _drain(again) == []


def test_nothing_is_lost_or_doubled_over_rotations_by_rename_under_load(log: Path) -> None:
    written = 0
    stop = threading.Event()

    def write() -> None:
        nonlocal written
        for _ in range(30):
            with log.open("a") as file:
                for _ in range(100):
                    file.write(f"{written}\n")
                    written += 1
                file.flush()
            for number in range(40, 0, -1):
                if (old := log.with_name(f"x.jsonl.{number}")).exists():
                    old.rename(log.with_name(f"x.jsonl.{number + 1}"))
            log.rename(log.with_name("x.jsonl.1"))
            time.sleep(0.01)
        stop.set()

    writer = threading.Thread(target=write)
    tail = Tail([log], grace_s=0)
    tail.read(1)
    writer.start()
    lines: list[bytes] = []
    gaps: list[LogGap] = []
    while not stop.is_set():
        chunk = tail.read(1 << 20)
        lines, gaps = [*lines, *chunk.lines], [*gaps, *chunk.gaps]
        time.sleep(0.002)
    writer.join()
    lines += _drain(tail)
    assert gaps == []
    assert [int(it) for it in lines] == list(range(written)), len(lines)


def test_files_beyond_those_that_can_be_read_at_once_are_told(tmp_path: Path) -> None:
    for number in range(8):
        _write(tmp_path / f"{number}.log", str(number))
        os.utime(tmp_path / f"{number}.log", (1000 + number, 1000 + number))
    tail = Tail([tmp_path], most_files=5)
    assert _drain(tail) == [b"0", b"1", b"2", b"3", b"4"]
    chunk = tail.read(1)
    assert [(it.what, it.path) for it in chunk.gaps] == [("unreadable", f"{tmp_path}/5.log")]
    assert chunk.lag_bytes == 6
