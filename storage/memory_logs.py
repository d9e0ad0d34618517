"""What a ledger in memory has about query logs."""

from dataclasses import dataclass, field
from datetime import datetime

from watchdog.domain.decisions import Alarmed, ClientExpected, Decision, TextErased
from watchdog.domain.streamed import TEXTS, CustomerText, Kept, StreamState


@dataclass
class MemoryLogs:
    """Keeps positions, state and texts in dictionaries. Satisfies `ports.LogRecord`."""

    kept_by_log: dict[str, Kept] = field(default_factory=dict)
    states: dict[str, dict[str, bytes]] = field(default_factory=dict)
    customer_texts: dict[str, CustomerText] = field(default_factory=dict)
    """By digest."""
    words: dict[tuple[str, str, str], ClientExpected] = field(default_factory=dict)
    alarms: dict[tuple[str, str, str], Alarmed] = field(default_factory=dict)

    def copy(self) -> "MemoryLogs":
        """Return what stays as it is, whatever becomes of this."""
        states = {log: dict(state) for log, state in self.states.items()}
        texts, words, alarms = dict(self.customer_texts), dict(self.words), dict(self.alarms)
        return MemoryLogs(dict(self.kept_by_log), states, texts, words, alarms)

    def take(self, decision: Decision) -> None:
        """Take in what a decision changes."""
        match decision:
            case Alarmed(alarm=it):
                self.alarms[it.rule, it.log, it.client] = decision
            case ClientExpected():
                self.words[decision.log, decision.client, decision.rule] = decision
            case TextErased(log=log, client=client, before=before):
                for text in self._chosen(log, client, before):
                    del self.customer_texts[text.digest]
                for state in (state for name, state in self.states.items() if log in (None, name)):
                    for key in [it for it in state if it.startswith(TEXTS)]:
                        if client in (None, key.removeprefix(TEXTS)):
                            del state[key]
            case _:
                pass

    def keep(self, it: StreamState) -> None:
        """Keep how far a log was read, and with what state."""
        self.kept_by_log[it.log] = Kept(serial=it.serial, position=it.position, at=it.at)
        state = self.states.setdefault(it.log, {}) | {key: body for key, body in it.changed.items() if body is not None}
        dropped = {key for key, body in it.changed.items() if body is None}
        self.states[it.log] = {key: body for key, body in state.items() if key not in dropped}
        self.customer_texts |= {text.digest: text for text in it.texts}

    def kept(self, log: str) -> Kept | None:
        """Return how far a log was read."""
        return self.kept_by_log.get(log)

    def state(self, log: str) -> dict[str, bytes]:
        """Return the state that was kept with that."""
        return dict(self.states.get(log, {}))

    def expected(self, log: str) -> tuple[ClientExpected, ...]:
        """Return the newest word of people on each client and rule of a log."""
        return tuple(it for it in self.words.values() if it.log == log)

    def alarm(self, rule: str, log: str, client: str) -> Alarmed | None:
        """Return the newest alarm about a client."""
        return self.alarms.get((rule, log, client))

    def texts(self, *, log: str | None, client: str | None, before: datetime | None) -> int:
        """Count the texts of customers that are kept."""
        return len(self._chosen(log, client, before))

    def _chosen(self, log: str | None, client: str | None, before: datetime | None) -> list[CustomerText]:
        return [
            it
            for it in self.customer_texts.values()
            if log in (None, it.log) and client in (None, it.client) and (before is None or it.at < before)
        ]
