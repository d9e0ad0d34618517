"""The daemon's local socket: who is let in, what is taken, and that no input harms the daemon."""

import json
import os
import shutil
import socket
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.memory import MemoryLedger
from tests.builders import at, finding
from watchdog.asking import MOST_BYTES, Answer, Request, ask, counter_path
from watchdog.counter import MOST_AT_ONCE, Counter, Peer, answer
from watchdog.desk import Desk
from watchdog.domain.actors import Actor
from watchdog.domain.incidents import EventKind
from watchdog.errands import run_errand, unpack
from watchdog.errors import ConfigError, LedgerError
from watchdog.hatch import AbandonedError, Hatch
from watchdog.logs import Sink, make_log

ME = Peer(pid=os.getpid(), uid=os.geteuid())
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists)


class World:
    """A counter over a ledger in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ledger = MemoryLedger()
        self.desk = Desk(self.ledger, ("oncall",))
        self.log = make_log("json", Sink(os.open(os.devnull, os.O_WRONLY)))
        self.woken = threading.Event()
        self.hatch = Hatch(self.desk, self.woken.set, self.log)
        self.before: Callable[[], None] = lambda: None
        self.counter = Counter(path, self.do, self.log)

    def do(self, errand: str, what: object, actor: Actor) -> object:
        self.before()
        return self.hatch.let(lambda: run_errand(errand, what, actor, desk=self.desk, now=lambda: at(100)))

    def request(self, **what: object) -> Request:
        self.desk.report([], [finding()])
        (incident,) = self.ledger.incidents()
        act = {"verb": "acknowledge", "incident": incident.id[:8]} | what
        return Request(errand="incident", what=act, by="Ada")  # type: ignore[arg-type]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "l.sock")
    world.counter.open()
    yield world
    world.counter.close()


def _ask(world: World, request: Request) -> Answer:
    said = ask(world.path, request, timeout_s=5)
    assert said is not None
    return said


def test_a_request_is_done_by_the_daemon_and_wakes_the_post(world: World) -> None:
    said = _ask(world, world.request(note="on it"))

    event = unpack(said.result)
    assert (said.outcome, event.kind, event.note) == ("done", EventKind.ACKNOWLEDGED, "on it")
    assert event.actor is not None
    assert (event.actor.name, event.actor.uid) == ("Ada", os.getuid())
    assert world.ledger.incidents()[0].acknowledged_by == event.actor
    assert world.woken.is_set()


def test_what_is_refused_or_failed_is_told_apart(world: World) -> None:
    request = world.request()
    approval = {"verb": "approve", "proposal": "0" * 12}
    refused = _ask(world, Request(errand="incident", what={**request.what, **approval}, by="Ada"))  # type: ignore[dict-item]
    assert (refused.outcome, "no proposed closing" in refused.problem) == ("refused", True)
    failed = _ask(world, Request(errand="incident", what={"incident": "zz", **approval}, by="Ada"))
    assert failed.outcome == "failed"
    unknown = _ask(world, Request(errand="make-coffee", what=None, by="Ada"))
    assert "version" in unknown.hint
    nameless = _ask(world, Request(errand="incident", what=request.what, by=" \0 "))
    assert nameless.outcome == "refused"


def test_others_cannot_even_connect(world: World) -> None:
    assert stat.S_IMODE(world.path.stat().st_mode) == 0o600


def test_another_user_is_turned_away_should_the_mode_ever_be_wrong(world: World) -> None:
    request = world.request()
    line = json.dumps({"errand": request.errand, "what": request.what, "by": "Eve"}).encode()
    said = answer(line, Peer(pid=ME.pid, uid=os.geteuid() + 4242), world.do)
    assert (said.outcome, world.ledger.incidents()[0].acknowledged_by) == ("refused", None)
    assert "run this as root" in said.hint


_STRANGER = """
import socket, sys
line = socket.socket(socket.AF_UNIX)
line.connect(sys.argv[1])
line.sendall(b'{"errand": "incident", "what": null, "by": "root"}\\n')
print(line.recv(4096).decode())
"""


_PYTHON = shutil.which("python3", path="/usr/local/bin:/usr/bin")
"""The one that these tests run on may lie where only root can look."""


@pytest.mark.skipif(os.geteuid() != 0 or _PYTHON is None, reason="needs root, and a Python that others may run")
def test_the_kernel_says_who_asks() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        world = World(Path(folder) / "l.sock")
        world.counter.open()
        world.path.chmod(0o666)
        command = [str(_PYTHON), "-I", "-S", "-c", _STRANGER, str(world.path)]
        done = subprocess.run(command, user=4242, cwd="/", capture_output=True, text=True, check=False)
        world.counter.close()
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["outcome"], said["problem"]) == ("refused", "user id 4242 may ask the daemon for nothing")


@given(line=st.binary(max_size=300) | JSON.map(lambda it: json.dumps(it).encode()))
def test_whatever_a_line_holds_it_gets_an_answer_and_changes_nothing(line: bytes) -> None:
    done: list[object] = []
    said = answer(line, ME, lambda *asked: done.append(asked))
    assert (said.outcome, done) == ("refused", [])


@given(what=JSON | st.dictionaries(st.sampled_from(["verb", "incident", "proposal"]), JSON | st.just("approve")))
def test_whatever_is_asked_of_an_errand_it_gets_an_answer(what: object) -> None:
    ledger = MemoryLedger()
    line = json.dumps({"errand": "incident", "what": what, "by": "Ada"}).encode()
    desk = Desk(ledger, ())
    said = answer(line, ME, lambda errand, it, who: run_errand(errand, it, who, desk=desk, now=lambda: at(0)))
    assert said.outcome in {"refused", "failed"}
    assert ledger.decisions == []


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(sent=st.binary(max_size=200) | st.just(b"[" * 60_000 + b"\n") | st.just(b"x" * (MOST_BYTES + 9)))
def test_after_any_bytes_the_next_request_is_served(world: World, sent: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(world.path))
        try:
            line.sendall(sent)
            line.shutdown(socket.SHUT_WR)
            line.settimeout(5)
            line.recv(4096)
        except ConnectionError:
            pass  # it hung up on us, as it may
    assert _ask(world, world.request()).outcome == "done"


def test_a_fault_in_the_program_is_told_without_its_words(world: World) -> None:
    def fail() -> None:
        raise ZeroDivisionError("sk-secret")

    world.before = fail
    said = _ask(world, world.request())
    assert (said.outcome, said.problem) == ("failed", "a fault of the program (ZeroDivisionError)")


def test_a_daemon_that_is_stopping_says_that_another_try_is_worth_it(world: World) -> None:
    request = world.request()
    world.hatch.shut()
    with pytest.raises(AbandonedError):
        world.hatch.let(lambda: None)
    assert _ask(world, request).outcome == "busy"


def test_more_than_eight_at_once_are_told_to_come_again(world: World) -> None:
    gate = threading.Event()
    world.before = lambda: (gate.wait(5), None)[1]
    request = world.request()
    threads = [threading.Thread(target=_ask, args=(world, request)) for _ in range(MOST_AT_ONCE)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 5
    outcomes: list[str] = []
    while "busy" not in outcomes and time.monotonic() < deadline:
        time.sleep(0.05)
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(world.path))
            line.settimeout(0.2)
            try:
                outcomes.append(json.loads(line.recv(4096))["outcome"])
            except TimeoutError:
                continue
    gate.set()
    for thread in threads:
        thread.join(5)
    assert "busy" in outcomes
    assert _ask(world, request).outcome == "done"


def test_a_socket_of_a_dead_daemon_makes_way(tmp_path: Path) -> None:
    path = tmp_path / "l.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    world = World(path)
    assert ask(path, world.request(), timeout_s=1) is None
    world.counter.open()
    assert _ask(world, world.request()).outcome == "done"
    world.counter.close()
    assert not path.exists()
    assert ask(path, world.request(), timeout_s=1) is None


def test_what_is_no_socket_is_left_alone_and_the_daemon_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "l.sock"
    path.write_text("precious")
    world = World(path)
    world.counter.open()
    world.counter.close()
    assert path.read_text() == "precious"


def test_a_path_that_is_too_long_is_named(tmp_path: Path) -> None:
    path = counter_path(tmp_path / ("x" * 120))
    world = World(path)
    world.counter.open()
    world.counter.close()
    with pytest.raises(LedgerError, match="107 bytes"):
        ask(path, world.request(), timeout_s=1)


def test_a_daemon_that_does_not_answer_is_an_error_in_time(tmp_path: Path) -> None:
    path = tmp_path / "l.sock"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen(1)
        begun = time.monotonic()
        with pytest.raises(LedgerError, match="did not answer") as caught:
            ask(path, World(path).request(), timeout_s=0.3)
    assert time.monotonic() - begun < 3
    assert "incidents show" in caught.value.hint


def test_what_cannot_be_sent_is_refused_here(world: World) -> None:
    with pytest.raises(ConfigError, match="no"):
        ask(world.path, world.request(note="\udcff"), timeout_s=1)
    with pytest.raises(ConfigError, match="bytes"):
        ask(world.path, world.request(note="x" * MOST_BYTES), timeout_s=1)
