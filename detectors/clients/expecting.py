"""What operators said to expect of clients: it is no attack, and its base rate is another one."""

from collections.abc import Iterable, Sequence

import msgspec

from watchdog.domain.queries import Expectation


class Expected(msgspec.Struct, array_like=True):
    """All that is in force, by client and rule."""

    rates: dict[str, dict[str, tuple[float, float | None]]] = {}
    """Rate, and until when in the time of the log."""

    def replace(self, these: Sequence[Expectation]) -> Iterable[tuple[str, str]]:
        """Take what is in force now, and return the clients and rules of which something else was said before."""
        before, self.rates = self.rates, {}
        for it in these:
            until = None if it.until is None else it.until.timestamp()
            self.rates.setdefault(it.client, {})[it.rule] = (it.rate, until)
        return [
            (client, rule)
            for client, rules in sorted(self.rates.items())
            for rule, said in sorted(rules.items())
            if before.get(client, {}).get(rule) != said
        ]

    def rate(self, client: str, rule: str, at: float) -> float:
        """Return the rate that is expected of a client; 0 where nothing was said."""
        rate, until = self.rates.get(client, {}).get(rule, (0.0, None))
        return rate if until is None or at < until else 0.0
