"""Which attacks there are, at what pace, and the accounts that carry them out."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from stream_parts import attackers
from stream_parts.attackers import LIMIT, Writer
from stream_parts.customers import START, Account
from stream_parts.texts import Texts
from watchdog.domain.queries import Query


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One kind of attack by one account."""

    name: str
    write: Writer
    pause_s: float
    """Seconds between two of its requests, on average."""
    most: int
    """Requests of a run."""
    expected: bool = True
    """Whether it is meant to be found at all."""
    before: Writer | None = None
    """How the account used the API until then, where it is an old one."""
    before_pause_s: float = 20.0
    addresses: int = 1
    """From how many networks the requests come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One attack that one account carries out."""

    attack: str
    client: str
    org: str | None
    queries: tuple[Query, ...]
    begins: float
    """When the first request of the attack comes; earlier ones are how the account was used before."""

    def delay(self, at: float) -> int:
        """Return how many requests the attacker had sent when an alarm came, the one that raised it included."""
        # An alarm's time went through a datetime, which knows microseconds.
        return sum(self.begins <= query.at <= at + 1e-5 for query in self.queries)


def runs(attack: Attack, texts: Texts, *, count: int, seed: int, first: float, last: float) -> list[Run]:
    """Return so many runs of an attack, each by an account of its own, begun at a random moment between two times."""
    chance = random.Random(f"{attack.name}:{seed}")  # noqa: S311 - no secret
    return [_run(attack, texts, chance, number, first, last) for number in range(count)]


def _run(attack: Attack, texts: Texts, chance: random.Random, number: int, first: float, last: float) -> Run:
    begins = START + chance.uniform(first, last)
    account = Account(
        client=f"attack-{attack.name.replace(' ', '-')}-{number}",
        org=f"org-of-{attack.name.replace(' ', '-')}-{number}",
        addresses=(f"192.0.{chance.randrange(256)}.{chance.randrange(256)}",),
        agent="python-httpx/0.28",
    )
    earlier = _earlier(attack, account, texts, chance, begins)
    at, queries = begins, []
    shared = attack.addresses > 1
    sender = replace(account, addresses=_networks(chance, attack.addresses)) if shared else account
    for prompt, refused, more in islice(attack.write(texts, chance), attack.most):
        told = {"agent": chance.choice(_AGENTS)} | more if shared else more
        queries.append(sender.query(at, chance, prompt[:LIMIT], refused=refused, **told))
        at += chance.expovariate(1 / attack.pause_s)
    return Run(attack=attack.name, client=account.client, org=account.org, queries=(*earlier, *queries), begins=begins)


_AGENTS = (
    "curl/8.9",
    "OpenAI/Python 1.40",
    "axios/1.7",
    "Go-http-client/2.0",
    "Mozilla/5.0",
    "okhttp/4.12",
    "SillyTavern",
)


def _networks(chance: random.Random, count: int) -> tuple[str, ...]:
    return tuple(".".join(str(chance.randrange(1, 224)) for _ in range(4)) for _ in range(count))


def _earlier(attack: Attack, account: Account, texts: Texts, chance: random.Random, begins: float) -> list[Query]:
    at, found = begins, list[Query]()
    for prompt, refused, more in attack.before(texts, chance) if attack.before is not None else ():
        at -= chance.expovariate(1 / attack.before_pause_s)
        if at <= START:
            return found[::-1]
        found.append(account.query(at, chance, prompt, refused=refused, **more))
    return found[::-1]


REWORDED = Attack(name="rewording", write=attackers.reworded(0.8), pause_s=4.0, most=60)
TEXT: Sequence[Attack] = (
    REWORDED,
    Attack(name="rewording, labelled refusals", write=attackers.reworded_and_labelled, pause_s=4.0, most=60),
    Attack(name="token swap", write=attackers.swapped, pause_s=1.5, most=100),
    Attack(name="random search", write=attackers.searched, pause_s=1.5, most=100),
    Attack(name="persona families", write=attackers.personas, pause_s=4.0, most=80),
)
"""Found by what is asked and what is refused; the figure is the delay."""
SHAPE: Sequence[Attack] = (
    Attack(name="logit bias sweep", write=attackers.biased, pause_s=0.5, most=150),
    Attack(name="seed sweep", write=attackers.seeded, pause_s=0.5, most=150),
    Attack(name="prefill", write=attackers.prefilled, pause_s=3.0, most=100),
    Attack(name="many-shot", write=attackers.many_shot, pause_s=5.0, most=60),
    Attack(
        name="key sharing", write=attackers.anything, pause_s=3.0, most=300, before=attackers.ordinary, addresses=60
    ),
    Attack(name="burst of minutes", write=attackers.ordinary, pause_s=0.1, most=1500, before=attackers.ordinary),
    Attack(name="burst of half a minute", write=attackers.ordinary, pause_s=0.1, most=300, before=attackers.ordinary),
    Attack(name="harmful fine-tuning", write=attackers.fine_tuned, pause_s=20.0, most=60),
)
"""Found by how the API is used; the figure is the share that is found."""
SLOW: Sequence[Attack] = (
    Attack(name="slow rewording, 5 an hour, 80 % refused", write=attackers.reworded(0.8), pause_s=720.0, most=60),
    Attack(name="slow and below the base rate", write=attackers.reworded(0.02), pause_s=720.0, most=60, expected=False),
)
"""What patience buys an attacker."""
