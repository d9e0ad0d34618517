"""What a demo measured: the watchdog's findings held against the gateway's own record of what it changed."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from watchdog.domain.comparisons import Span
from watchdog.domain.decisions import Compared
from watchdog.rehearsal.gateway import Edit

_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True, kw_only=True)
class WordScore:
    """Edited words, and what the watchdog marked."""

    edited: int
    """Words that the gateway rewrote in replies that were compared."""
    found: int
    """Of these, how many lie in a marked span."""
    wrongly_marked: int
    """Words in marked spans that the gateway did not touch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """The figures of one demo."""

    clean_rounds: int
    clean_replies: int
    clean_replies_byte_different: int
    clean_flagged: int
    incidents_while_clean: int
    rounds_to_incident: int | None
    seconds_to_page: float | None
    words_edited: int
    words_found: int
    words_wrongly_marked: int
    recovered: bool
    ledger_ok: bool
    customers_requests: int
    """Ordinary requests beside the flood, in the query log."""
    refused_until_noticed: int | None
    """Requests of the flood that were refused before it opened an incident; None when it never did."""
    flood_paged: bool
    wrongly_accused: int
    """Findings of the query log about anybody but the flood."""
    own_probes_in_log: int

    def failures(self) -> list[str]:
        """Say what did not happen that a demo promises; empty when all of it did."""
        promised = {
            "at least 8 clean rounds were run": self.clean_rounds >= 8,
            "clean replies were compared": self.clean_replies > 0,
            "clean replies differed byte for byte": self.clean_replies_byte_different > 0,
            "no clean reply was flagged": self.clean_flagged == 0,
            "no incident opened while clean": self.incidents_while_clean == 0,
            "the edits opened an incident": self.rounds_to_incident is not None,
            "the page arrived": self.seconds_to_page is not None,
            "edited words were found": self.words_found > 0,
            "the incident recovered": self.recovered,
            "the ledger is intact": self.ledger_ok,
            "the flood opened an incident": self.refused_until_noticed is not None,
            "the pager heard of the flood": self.flood_paged,
            "no other customer was accused": self.wrongly_accused == 0,
            "the watchdog's own requests were in the query log": self.own_probes_in_log > 0,
        }
        return [promise for promise, kept in promised.items() if not kept]

    def as_json(self) -> dict[str, object]:
        """Return the figures by name."""
        return asdict(self)


def score_words(compared: Iterable[Compared], record: Sequence[Edit]) -> WordScore:
    """Compare marked spans with the record, over the compared replies that the gateway rewrote."""
    by_reply = {edit.edited: edit for edit in record}
    edited = found = wrong = 0
    for it in compared:
        edit = by_reply.get(it.delivered_reply)
        if it.comparison is None or (edit is None and not it.comparison.spans):
            continue
        places = [] if edit is None else [(swap.start, swap.end) for swap in edit.words]
        marked = [(span.start, span.end) for span in it.comparison.spans]
        edited += len(places)
        found += sum(any(_meet(place, span) for span in marked) for place in places)
        wrong += sum(
            not any(_meet(word, place) for place in places)
            for word in _words_in(it.delivered_reply, it.comparison.spans)
        )
    return WordScore(edited=edited, found=found, wrongly_marked=wrong)


def _words_in(reply: str, spans: Sequence[Span]) -> list[tuple[int, int]]:
    marked = [(span.start, span.end) for span in spans]
    return [match.span() for match in _WORD.finditer(reply) if any(_meet(match.span(), span) for span in marked)]


def _meet(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]
