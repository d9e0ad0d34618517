"""The command line. Each command imports what it needs when it runs, so that `--help` answers at once."""

import sys


def main() -> None:
    """Run the command line; every error the program raises on purpose ends as two lines and an exit code."""
    from watchdog.cli.app import app  # noqa: PLC0415 - keeps importing `watchdog.cli` free
    from watchdog.cli.exits import exit_code  # noqa: PLC0415 - the same
    from watchdog.errors import WatchdogError  # noqa: PLC0415 - the same

    try:
        app()
    except WatchdogError as exc:
        sys.stderr.write(f"Error: {_plain(exc.problem)}\nTry:   {_plain(exc.hint)}\n")
        sys.exit(exit_code(exc))
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(141)  # whoever read our output has seen enough, as with `| head`


def _plain(text: str) -> str:
    """Return the lines of a message without anything in them that could steer a terminal."""
    from watchdog.domain.text import printable  # noqa: PLC0415 - keeps importing `watchdog.cli` free

    return "\n".join(printable(line, 2000) for line in text.splitlines())
