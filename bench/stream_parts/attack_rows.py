"""The rows of the table about attacks: how soon they are found, and how soon by other means."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

from figures import Figure, percent, share_figure
from stream_parts import benign
from stream_parts.attacks import SHAPE, SLOW, TEXT, Attack
from stream_parts.counting import NEVER, counted, quantile, said
from stream_parts.customers import HOUR
from stream_parts.scenes import Outcome, Stretch, watched
from stream_parts.texts import Texts

DELAYS = {"rewording": 12, "token swap": 20, "persona families": 20}
"""Most requests that half of the attackers may get through, by attack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """How much benign traffic lies around the attacks, and how many there are."""

    thinned: float
    """How many times fewer benign requests there are than the rate says; the thresholds are those of the whole rate."""
    stretches: int
    accounts: int
    """That carry out each attack, in each stretch."""


def by_text(texts: Texts, scene: Scene) -> Iterator[Figure]:
    """Yield how soon attacks are found that show in what is asked and refused, and how soon by other means."""
    rate, first = 1000.0, 240.0
    stretch = Stretch(
        traffic=benign.afternoon(texts, rate / scene.thinned, 1),
        texts=texts,
        attacks=TEXT,
        count=scene.accounts,
        seconds=600,
        first=first,
        last=first + 90,
        # A week is taken for 168 times the busiest hour so far, and no hour has passed yet: with this much less
        # allowed, the threshold is that of one false alarm a week after an hour, when the first attack begins.
        tickets_per_week=first / HOUR / scene.thinned,
    )
    outcome = watched(stretch, range(1, scene.stretches + 1))
    for attack in TEXT:
        yield _delay(attack, outcome, f"thresholds of {rate:,.0f} requests a second")
    yield _benign_meanwhile("during the attacks by text", outcome)


def by_shape(texts: Texts, hours: float, scene: Scene) -> Iterator[Figure]:
    """Yield which attacks are found that show in how the API is used."""
    seconds = hours * HOUR
    stretch = Stretch(
        traffic=benign.week(texts, 20 / scene.thinned, 2),
        texts=texts,
        attacks=SHAPE,
        count=scene.accounts,
        seconds=seconds,
        first=seconds * 0.5,
        last=seconds * 0.85,
        begins=8 * HOUR,
        tickets_per_week=1 / scene.thinned,
    )
    outcome = watched(stretch, range(1, scene.stretches + 1))
    for attack in SHAPE:
        yield _found(attack, outcome, 95.0 if attack.name != "harmful fine-tuning" else None)
    yield _benign_meanwhile("during the attacks by shape", outcome)


def slow(texts: Texts, accounts: int) -> Iterator[Figure]:
    """Yield what becomes of attackers who take their time."""
    stretch = Stretch(
        traffic=benign.week(texts, 2, 3),
        texts=texts,
        attacks=SLOW,
        count=accounts,
        seconds=24 * HOUR,
        first=2 * HOUR,
        last=10 * HOUR,
    )
    outcome = watched(stretch, [1], compared=False)
    for attack in SLOW:
        yield replace(_found(attack, outcome, None), target="none set" if attack.expected else "expected: missed")


def _delay(attack: Attack, outcome: Outcome, where: str) -> Figure:
    delays, most = outcome.ours[attack.name], DELAYS.get(attack.name)
    half = quantile(delays, 0.5)
    return Figure(
        figure=f"{attack.name}, one account: median delay",
        value=None if half == NEVER else half,
        unit="requests",
        target="none set" if most is None else f"<= {most}",
        met=None if most is None else half <= most,
        baselines=_baselines(attack, outcome),
        how=f"{where}; {_delays(delays)}; first rule {counted(outcome.rules[attack.name])}; threshold "
        f"{_threshold(outcome)}",
    )


def _found(attack: Attack, outcome: Outcome, least: float | None) -> Figure:
    delays = outcome.ours[attack.name]
    how = f"{_delays(delays)}; first rule {counted(outcome.rules[attack.name])}"
    return share_figure(
        f"{attack.name}: found",
        _found_of(delays),
        len(delays),
        least=least,
        how=how,
        baselines=_baselines(attack, outcome),
    )


def _delays(delays: Sequence[float]) -> str:
    half, most = (said(quantile(delays, share)) for share in (0.5, 0.9))
    return (
        f"{_found_of(delays)} of {len(delays)} accounts found; requests until then: median {half}, nine in ten {most}"
    )


def _found_of(delays: Sequence[float]) -> int:
    return sum(delay != NEVER for delay in delays)


def _baselines(attack: Attack, outcome: Outcome) -> dict[str, float | None]:
    told: dict[str, float | None] = {}
    for name, delays in outcome.baselines.items():
        of = delays[attack.name]
        told[f"{name}, % found"] = percent(_found_of(of), len(of))
        if (half := quantile(of, 0.5)) != NEVER:
            told[f"{name}, median delay"] = half
    return told


def _benign_meanwhile(when: str, outcome: Outcome) -> Figure:
    false = outcome.false
    about = Counter(f"{it.rule} about {benign.population(it.client)}" for it in false)
    return Figure(
        figure=f"alarms about benign clients {when}",
        value=len(false),
        unit="",
        target="none set",
        met=None,
        baselines={f"{name}, benign clients": count for name, count in outcome.false_baselines.items()},
        how=f"{outcome.events:,} requests, one false alarm a week promised; {counted(about)}",
    )


def _threshold(outcome: Outcome) -> str:
    return f"{median(outcome.thresholds):.2g} (median of the first alarms)" if outcome.thresholds else "never reached"
