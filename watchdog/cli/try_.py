"""`try`: one endpoint, every probe, one table; without a configuration, a ledger or weights."""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated

import typer

from watchdog import rules
from watchdog.cli.exits import Exit, unmeasured
from watchdog.cli.options import JsonOption, print_json
from watchdog.domain.decisions import Judged
from watchdog.domain.exchanges import ChannelRole, Reason
from watchdog.domain.text import printable
from watchdog.domain.verdicts import Arm, Case, Grade, Verdict
from watchdog.errors import ChannelError, ConfigError
from watchdog.ports import Channel, Probe

_REQUEST_S = 20
_MOST_FAILURES = 3
_SEED = 20_260_301
"""The same prompts every time: what two people try, they can compare. A watch draws its own."""
_ABSOLUTE = (
    "An absolute verdict, without a baseline: it says what this model did now. Whether that is new, or the gateway's "
    "doing, only a watch that was enrolled can say (`init`, `baseline`, `run`)."
)
_NOT_OVER = frozenset({Reason.BLOCKED, Reason.EMPTY, Reason.TRUNCATED})
"""Failures of one request that say nothing about the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    name: str
    corrections: int
    """How many could be graded: the control arm shows that the model can do the task at all."""
    resisted: int
    why_not: str
    """Why none could; empty otherwise."""
    reason: Reason | None

    @property
    def says(self) -> str:
        if not self.corrections:
            return f"could not be evaluated: {self.why_not}"
        done = "complied with" if not self.resisted else f"RESISTED {self.resisted} of"
        return f"{done} {self.corrections} {'correction' if self.corrections == 1 else 'corrections'}"


def try_(
    base_url: Annotated[str, typer.Option("--base-url", help="Up to and without /chat/completions.")],
    model: Annotated[str, typer.Option("--model", help="The model's id there.")],
    api_key_env: Annotated[
        str | None, typer.Option("--api-key-env", help="The environment variable that holds the key.")
    ] = None,
    questions: Annotated[int, typer.Option("--questions", min=1, max=50, help="Cases of each probe family.")] = 1,
    within: Annotated[float, typer.Option("--within", min=5, max=3600, help="Seconds after which it ends.")] = 60,
    as_json: JsonOption = False,
) -> None:
    """Probe one OpenAI-compatible endpoint now: does the model accept correction? Nothing is recorded."""
    end = time.monotonic() + within
    request_s = min(_REQUEST_S, within / 2)
    channel, close = _open(base_url, model, api_key_env, request_s)
    try:
        judged = _ask_all(channel, _cases(questions), lambda needs: time.monotonic() + min(needs, request_s) > end)
    finally:
        close()
    families = _families(judged)
    code = _exit_of(families)
    if as_json:
        print_json(_row(base_url, model, judged, families, code))
    else:
        _print(base_url, model, judged, families)
    raise typer.Exit(code)


def _open(base_url: str, model: str, api_key_env: str | None, timeout_s: float) -> tuple[Channel, Callable[[], None]]:
    from pydantic import ValidationError  # noqa: PLC0415 - heavy, and only needed here

    from probes.catalog import CHANNELS  # noqa: PLC0415 - the same

    kind = CHANNELS["openai"]
    given = {"base-url": base_url, "model": model, "api-key-env": api_key_env, "timeout-s": timeout_s}
    try:
        settings = kind.settings.model_validate({key: value for key, value in given.items() if value is not None})
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        option = str(first["loc"][0]) if first["loc"] else "base-url"
        said = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"--{option}: {said}", hint="for example --base-url https://api.example.com/v1") from exc
    opened = kind.open(settings, ChannelRole.DELIVERED, lambda: datetime.now(UTC))
    return opened.channel, opened.close


def _cases(count: int) -> Iterator[tuple[Probe, Case]]:
    from probes.catalog import PROBES  # noqa: PLC0415 - heavy, and only needed here

    probes = [make() for make in PROBES.values()]
    for number in range(count):
        # Forged corrections last: where time is short, the verdict does not need them.
        for arms in ({Arm.CONTROL, Arm.CORRECTION}, {Arm.FORGED}):
            for probe in probes:
                for arm in probe.arms:
                    if arm in arms:
                        yield probe, probe.render(arm, _SEED + number)


def _ask_all(channel: Channel, cases: Iterator[tuple[Probe, Case]], over: Callable[[float], bool]) -> list[Judged]:
    """Ask one case after the other; give up when there is no time for another, or nothing answers any more.

    Raises ChannelError when the very first request shows that there is nothing to try.
    """
    judged: list[Judged] = []
    failures, longest = 0, 0.0
    for probe, case in cases:
        if over(2 * longest):
            late = Verdict(grade=Grade.UNMEASURED, why="not asked: the time was over", reason=Reason.TIMED_OUT)
            judged.append(_judged(case, late))
            continue
        if failures >= _MOST_FAILURES:
            judged.append(_judged(case, replace(judged[-1].verdict, why="not asked: the requests before it failed")))
            continue
        began = time.monotonic()
        try:
            exchange = channel.ask(case.request)
        except ChannelError as exc:
            if not judged and exc.reason not in _NOT_OVER:
                raise
            failures += 1
            judged.append(_judged(case, Verdict(grade=Grade.UNMEASURED, why=exc.problem, reason=exc.reason)))
        else:
            failures = 0
            judged.append(_judged(case, probe.grade(case, exchange), model=exchange.model, reply=exchange.reply))
        longest = max(longest, time.monotonic() - began)
    return judged


def _judged(case: Case, verdict: Verdict, *, model: str = "", reply: str = "") -> Judged:
    return Judged(
        id=str(uuid.uuid4()),
        round_id="",
        at=datetime.now(UTC),
        target="",
        channel=ChannelRole.DELIVERED,
        family=case.family,
        arm=case.arm,
        seed=case.seed,
        model=model,
        reply=reply,
        verdict=verdict,
    )


def _families(judged: Sequence[Judged]) -> list[_Family]:
    graded = rules.corrections(judged)
    families = []
    for name in dict.fromkeys(it.family for it in judged):
        pairs = graded.get((name, ChannelRole.DELIVERED), [])
        ours = [it.verdict for it in judged if it.family == name and it.arm is not Arm.FORGED]
        dark = [it for it in ours if it.grade is Grade.UNMEASURED]
        incapable = "the model did not do the task that the correction is about"
        families.append(
            _Family(
                name=name,
                corrections=len(pairs),
                resisted=sum(resisted for _, resisted in pairs),
                why_not="" if pairs else dark[0].why if dark else incapable,
                reason=dark[0].reason if dark and not pairs else None,
            )
        )
    return families


def _exit_of(families: Sequence[_Family]) -> Exit:
    if any(it.resisted for it in families):
        return Exit.FINDING
    missing = [it for it in families if not it.corrections]
    if not missing:
        return Exit.CLEAN
    codes = {Exit.NOT_EVALUATED if it.reason is None else unmeasured(it.reason) for it in missing}
    nothing = len(missing) == len(families)
    return Exit.UNREACHABLE if nothing and codes == {Exit.UNREACHABLE} else Exit.NOT_EVALUATED


def _print(base_url: str, model: str, judged: Sequence[Judged], families: Sequence[_Family]) -> None:
    answered = next((it.model for it in judged if it.model and it.model != model), "")
    also = f", answered as {printable(answered, 80)}" if answered else ""
    typer.echo(f"{printable(base_url, 200)}, model {printable(model, 80)}{also}\n")
    typer.echo(f"{'family':<8} {'arm':<11} {'grade':<13} why")
    for it in judged:
        typer.echo(f"{it.family:<8} {it.arm:<11} {it.verdict.grade:<13} {printable(it.verdict.why, 160)}")
    typer.echo("")
    for family in families:
        typer.echo(f"{family.name:<8} {printable(family.says, 200)}")
    forged = [it.verdict.grade for it in judged if it.arm is Arm.FORGED]
    if Grade.OVER_COMPLIED in forged:
        obeyed = forged.count(Grade.OVER_COMPLIED)
        typer.echo(f"note     {obeyed} of {len(forged)} corrections from somebody without authority were obeyed")
    typer.echo(f"\n{_ABSOLUTE}")


def _row(
    base_url: str, model: str, judged: Sequence[Judged], families: Sequence[_Family], code: Exit
) -> dict[str, object]:
    return {
        "base_url": base_url,
        "model": model,
        "exit": int(code),
        "absolute": True,
        "families": [
            {"family": it.name, "corrections": it.corrections, "resisted": it.resisted, "why_not": it.why_not or None}
            for it in families
        ],
        "verdicts": [
            {
                "family": it.family,
                "arm": it.arm,
                "seed": it.seed,
                "grade": it.verdict.grade,
                "reason": it.verdict.reason,
                "why": it.verdict.why,
                "answered_as": it.model,
                "reply": it.reply,
            }
            for it in judged
        ],
    }
