"""What one request is, as far as detectors want to know it; costly parts are worked out when first asked for."""

import hashlib

from detectors.clients import folding, lexicon
from detectors.clients.refusals import refused
from detectors.clients.state import Client
from watchdog.domain.queries import Query

_AFTER_DEMONSTRATIONS = 40
"""Words at the end of a prompt with demonstrations: the question that they are there for."""


class Facts:
    """One request of one client, before it is remembered. Not frozen: it works out its parts late."""

    __slots__ = (
        "_demonstrations",
        "_sensitive",
        "_steering",
        "_steers",
        "_words",
        "again",
        "at",
        "client",
        "digest",
        "folded",
        "part",
        "query",
        "refused",
    )

    def __init__(self, query: Query, client: Client, at: float) -> None:
        self.query = query
        self.client = client
        self.at = at
        """When it came; within an hour of what came before it."""
        self.part = None if query.prompt is None else folding.window(query.prompt)
        self.folded = None if self.part is None else folding.folded(self.part)
        self.digest = None if self.folded is None else folding.digest(self.folded)
        self.again = self.digest is not None and (self.digest in client.ring or self._tries_again())
        """Whether the client sent it before, up to numbers and white space: no evidence is counted twice."""
        self.refused = refused(query)
        self._words: list[bytes] | None = None
        self._steering: tuple[bytes, bytes] | None = None
        self._sensitive: frozenset[bytes] | None = None
        self._demonstrations: int | None = None
        self._steers: bool | None = None

    def _tries_again(self) -> bool:
        """Tell whether this is the last text that was refused, with a few words after it."""
        size, name = self.client.refused_size, self.client.refused_name
        if self.folded is None or not size or not size < len(self.folded) <= size + folding.ADDED:
            return False
        return folding.digest(self.folded[:size]) == name

    @property
    def words(self) -> list[bytes]:
        """The words of the prompt, in lower case."""
        if self._words is None:
            self._words = [] if self.part is None else folding.words(self.part)
        return self._words

    @property
    def steering(self) -> tuple[bytes, bytes]:
        """The words that invoke a persona without rules, and those that override the system prompt."""
        if self._steering is None:
            self._steering = lexicon.steering(self.words)
        return self._steering

    @property
    def sensitive(self) -> frozenset[bytes]:
        """The words that touch topics which models are taught to refuse."""
        if self._sensitive is None:
            self._sensitive = lexicon.sensitive(self.words)
        return self._sensitive

    @property
    def demonstrations(self) -> int:
        """Answers of an assistant that are written out in the prompt."""
        if self._demonstrations is None:
            prompt = self.query.prompt
            self._demonstrations = 0 if prompt is None else lexicon.demonstrations(prompt)
        return self._demonstrations

    @property
    def charged(self) -> bool:
        """Whether something beside the way it is sent speaks against the request: its topic, its words, its refusal."""
        return bool(self.refused or any(self.steering) or self.sensitive)

    @property
    def sign(self) -> bytes:
        """What speaks against the request, in four bytes: the same in all requests of an application's template.

        Of demonstrations it is how many they are, and what comes after them.
        """
        shown = self.demonstrations
        topics = lexicon.sensitive(self.words[-_AFTER_DEMONSTRATIONS:]) if shown else self.sensitive
        said = (*self.steering, *sorted(topics), b"%d" % shown)
        return hashlib.blake2b(b"\0".join(said), digest_size=4).digest()

    @property
    def steers(self) -> bool:
        """Whether it could be steering at all."""
        if self._steers is None:
            query = self.query
            self._steers = bool(
                query.prefill or query.logit_bias or self.steering[0] or self.steering[1] or self.demonstrations
            )
        return self._steers
