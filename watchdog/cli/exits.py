"""What the exit codes mean. No fault of the infrastructure is ever a finding."""

from enum import IntEnum

from watchdog.domain.exchanges import Reason
from watchdog.errors import (
    ChannelError,
    ConfigError,
    InstallationError,
    LedgerError,
    LogFileError,
    ScoringError,
    WatchdogError,
)


class Exit(IntEnum):
    """The exit codes of every command."""

    CLEAN = 0
    FINDING = 1
    USAGE = 2
    NOT_EVALUATED = 3
    UNREACHABLE = 4


_UNREACHABLE = frozenset({Reason.UNREACHABLE, Reason.TIMED_OUT, Reason.SERVER_ERROR, Reason.SCORING_OFF})


def exit_code(exc: WatchdogError) -> Exit:
    """Return the exit code of an error."""
    match exc:
        case ConfigError() | InstallationError():
            return Exit.USAGE
        case LedgerError() | LogFileError():
            return Exit.UNREACHABLE
        case ChannelError() | ScoringError():
            return unmeasured(exc.reason)
        case _:
            return Exit.NOT_EVALUATED


def unmeasured(reason: Reason) -> Exit:
    """Return the exit code of something that could not be measured."""
    return Exit.UNREACHABLE if reason in _UNREACHABLE else Exit.NOT_EVALUATED
