"""Tell the service manager how we are: the sd_notify protocol, and beats that say whether each loop still moves."""

import os
import re
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_LONGEST_STATUS = 200


@dataclass(frozen=True, slots=True)
class Supervisor:
    """Speaks to systemd, or to nobody when nobody asked. A message that cannot be sent is dropped."""

    address: str | None = None
    """A path, or `@name` for an abstract socket."""
    watchdog_s: float | None = None
    """How long the service manager waits for a sign of life before it kills us; None when it does not watch."""

    def ready(self, status: str) -> None:
        """Say that start-up, or a reload, is over."""
        self._send("READY=1", _status(status))

    def status(self, status: str) -> None:
        """Say in one line what is going on."""
        self._send(_status(status))

    def reloading(self) -> None:
        """Say that the configuration is being read again."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, status: str) -> None:
        """Say that we are on our way out."""
        self._send("STOPPING=1", _status(status))

    def alive(self) -> None:
        """Give the sign of life. Call it only when every loop has moved."""
        self._send("WATCHDOG=1")

    def starting(self, extend_s: float) -> None:
        """Ask for more time to start: loading weights can take minutes."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(extend_s * 1e6)}")

    def _send(self, *assignments: str) -> None:
        if self.address is None:
            return
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.setblocking(False)  # a service manager that does not read must not stop us
                sock.sendto("\n".join(assignments).encode(), address)
        except OSError:
            return


def supervisor_of(environment: Mapping[str, str]) -> Supervisor:
    """Return the supervisor that the environment names; one that does nothing when it names none."""
    address = environment.get("NOTIFY_SOCKET", "")
    interval = environment.get("WATCHDOG_USEC", "")
    ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return Supervisor(
        address=address if address[:1] in {"/", "@"} else None,
        watchdog_s=int(interval) / 1e6 if ours and interval.isascii() and interval.isdigit() else None,
    )


@dataclass(slots=True)
class Beat:
    """When a loop last moved, by a clock that nobody can set."""

    name: str
    budget_s: float
    monotonic: Callable[[], float] = time.monotonic
    _last: float = field(init=False)

    def __post_init__(self) -> None:
        self._last = self.monotonic()

    def tick(self) -> None:
        """Note that the loop moved."""
        self._last = self.monotonic()

    @property
    def age_s(self) -> float:
        """Seconds since the loop last moved."""
        return self.monotonic() - self._last

    @property
    def stuck(self) -> bool:
        """Whether the loop has not moved for longer than it may."""
        return self.age_s > self.budget_s


def _status(text: str) -> str:
    # A message is lines of assignments: a control character in the text could add one, such as STOPPING=1.
    return "STATUS=" + _CONTROL.sub(" ", text)[:_LONGEST_STATUS]
