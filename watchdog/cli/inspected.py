"""How commands that run rounds show what they saw of the weights' files."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from watchdog.blindness import is_blind
from watchdog.domain.text import printable

if TYPE_CHECKING:
    from watchdog.app import App
    from watchdog.integrity import Inspected


def show_inspected(app: "App", inspected: Sequence["Inspected"], *, quiet: bool) -> bool:
    """Print each check unless told not to, tell people what was found, and return whether something was altered."""
    findings = [finding for it in inspected for finding in it.findings]
    for it in inspected if not quiet else ():
        check = it.check
        found = check.problem or f"{len(check.files)} files, {check.digest[:12]}"
        why = f" ({check.signature.why})" if check.signature.why else ""
        signed = f"{found}; signature {check.signature.signature}{why}"
        typer.echo(f"{check.subject}: weights at {printable(check.path)}: {printable(signed)}")
    for finding in findings if not quiet else ():
        typer.echo(f"  {'BLIND' if is_blind(finding.rule) else 'FINDING'} {finding.rule}: {printable(finding.summary)}")
    if findings:
        # Before anything else: weights that were changed can keep the rounds from running at all.
        app.courier.deliver_due()
    return any(not is_blind(it.rule) for it in findings)
