"""Beginnings of prompts behind open evidence, kept apart from it: they can be erased, and evidence cannot."""

from dataclasses import dataclass, field

Texts = dict[str, list[str]]
"""By rule, in the order of the marks of its case."""


@dataclass(slots=True)
class Shelf:
    """What clients under suspicion wrote, by client. Not frozen: it holds state."""

    of_clients: dict[str, Texts] = field(default_factory=dict)
    dirty: dict[str, None] = field(default_factory=dict)
    """Clients whose texts changed since the last commit."""

    def of(self, client: str, rule: str, most: int) -> list[str]:
        """Return a client's texts for a rule, at least as long as its marks: what was erased is empty."""
        self.dirty[client] = None
        texts = self.of_clients.setdefault(client, {}).setdefault(rule, [])
        texts += [""] * (most - len(texts))
        return texts

    def drop(self, client: str, rule: str) -> None:
        """Let go of what a client wrote, as its evidence is gone."""
        texts = self.of_clients.get(client)
        if texts is not None and texts.pop(rule, None) is not None:
            self.dirty[client] = None
            if not texts:
                del self.of_clients[client]

    def forget(self, client: str | None) -> None:
        """Drop what a client wrote, or with None what all wrote."""
        for name in list(self.of_clients) if client is None else [client]:
            if self.of_clients.pop(name, None) is not None:
                self.dirty[name] = None
