"""What the service manager hears, on a real datagram socket."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from watchdog.supervision import Beat, Supervisor, supervisor_of


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    abstract = request.param == "abstract"
    address = f"@notify-{os.getpid()}-{time.monotonic_ns()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + address[1:] if abstract else address)
        listening.settimeout(5)
        yield listening, address


def test_ready_status_and_stopping_arrive_as_the_protocol_writes_them(manager: tuple[socket.socket, str]) -> None:
    listening, address = manager
    supervisor = supervisor_of({"NOTIFY_SOCKET": address})
    supervisor.ready("3 targets")
    supervisor.status("1 round")
    supervisor.alive()
    supervisor.stopping("signal SIGTERM")

    heard = [listening.recv(4096).decode() for _ in range(4)]
    assert heard == ["READY=1\nSTATUS=3 targets", "STATUS=1 round", "WATCHDOG=1", "STOPPING=1\nSTATUS=signal SIGTERM"]


def test_a_reload_carries_the_monotonic_time_that_systemd_asks_for(manager: tuple[socket.socket, str]) -> None:
    listening, address = manager
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    Supervisor(address).reloading()

    first, second = listening.recv(4096).decode().splitlines()
    assert first == "RELOADING=1"
    assert before <= int(second.removeprefix("MONOTONIC_USEC=")) <= before + 5_000_000


def test_a_status_cannot_smuggle_in_an_assignment(manager: tuple[socket.socket, str]) -> None:
    listening, address = manager
    Supervisor(address).status("fine\nSTOPPING=1\r\nMAINPID=1\0" + "x" * 999)

    heard = listening.recv(4096).decode()
    assert heard.startswith("STATUS=fine STOPPING=1 MAINPID=1 ")
    assert "\n" not in heard
    assert len(heard) < 250


@pytest.mark.parametrize("address", ["", "relative", "vsock:1:2"])
def test_without_a_usable_socket_nothing_is_sent_and_nothing_fails(address: str) -> None:
    supervisor = supervisor_of({"NOTIFY_SOCKET": address})
    supervisor.ready("fine")
    assert supervisor.address is None


def test_a_service_manager_that_is_gone_or_does_not_read_stops_nobody(manager: tuple[socket.socket, str]) -> None:
    listening, address = manager
    begun = time.monotonic()
    for _ in range(2_000):  # far more than a socket's buffer holds
        Supervisor(address).status("x" * 200)
    listening.close()
    Supervisor(address).alive()
    assert time.monotonic() - begun < 5


def test_the_watchdog_interval_is_ours_only_when_it_is_meant_for_this_process() -> None:
    ours = {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}
    assert supervisor_of(ours).watchdog_s == 30.0
    assert supervisor_of(ours | {"WATCHDOG_PID": "1"}).watchdog_s is None
    assert supervisor_of({"WATCHDOG_USEC": "soon"}).watchdog_s is None


def test_a_loop_that_does_not_move_within_its_budget_is_stuck() -> None:
    now = [100.0]
    beat = Beat("delivery", 30.0, lambda: now[0])
    now[0] = 130.0
    assert not beat.stuck
    now[0] = 130.1
    assert beat.stuck
    beat.tick()
    assert not beat.stuck
