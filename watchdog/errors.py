"""What the program raises on purpose.

WatchdogError            says what, where and what to do
├── ConfigError          the configuration, or the command line, cannot be acted on
├── InstallationError    this Python environment cannot run what was asked of it
├── ChannelError         a channel gave no reply that could be judged; carries a named reason
├── ScoringError         the direct model could not score a reply; carries a named reason
├── LedgerError          the ledger cannot be opened, read or written
│   ├── LedgerStalledError   it takes nothing now, and may be tried again: locked, read-only, …
│   │   └── LedgerFullError      … or there is no space
│   ├── LedgerHeldError      another process is its writer
│   └── LedgerBrokenError    an I/O or fsync error, or a damaged file: this process never writes it again
├── LogFileError         a file of recorded requests that somebody named cannot be read
├── NotifyError          a notifier could not hand a notice over; says whether to try again
└── LineError            a line of a query log is not what its format says; carries a named reason
"""

from watchdog.domain.exchanges import Reason


class WatchdogError(Exception):
    """Base of everything this program raises on purpose: a problem, and what to do about it."""

    def __init__(self, problem: str, *, hint: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.problem}\n  hint: {self.hint}"


class ConfigError(WatchdogError):
    """The configuration, or the command line, says something we cannot act on."""


class InstallationError(WatchdogError):
    """This Python environment cannot run what was asked of it."""


class LedgerError(WatchdogError):
    """The ledger cannot be opened, read or written."""


class LedgerStalledError(LedgerError):
    """The ledger takes nothing now, and nothing is known to be wrong with it: the same may be tried again."""


class LedgerFullError(LedgerStalledError):
    """There is no space for the ledger to grow."""


class LedgerHeldError(LedgerError):
    """Another process is the ledger's writer: the daemon, which takes requests, or a command that will end."""


class LedgerBrokenError(LedgerError):
    """The disk did not do what it was asked, or the file is damaged: this process must not write it again."""


class ChannelError(WatchdogError):
    """No reply came that could be judged; `reason` is what the exchange counts as."""

    def __init__(self, problem: str, *, hint: str, reason: Reason) -> None:
        super().__init__(problem, hint=hint)
        self.reason = reason


class ScoringError(WatchdogError):
    """The direct model could not score a reply; `reason` is what the comparison counts as."""

    def __init__(self, problem: str, *, hint: str, reason: Reason) -> None:
        super().__init__(problem, hint=hint)
        self.reason = reason


class NotifyError(WatchdogError):
    """A notice was not accepted; `answer` is what the receiver said, made safe to print."""

    def __init__(self, problem: str, *, hint: str, answer: str, retry_after_s: float | None = None) -> None:
        super().__init__(problem, hint=hint)
        self.answer = answer
        self.retry_after_s = retry_after_s


class LineError(WatchdogError):
    """A line of a query log that is not what its format says. Never holds text of the line."""

    def __init__(self, problem: str, *, hint: str, reason: str) -> None:
        super().__init__(problem, hint=hint)
        self.reason = reason


class LogFileError(WatchdogError):
    """A file of recorded requests that somebody named cannot be read."""
