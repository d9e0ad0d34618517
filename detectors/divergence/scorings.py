"""What a comparison was made from, taken out of the readings that it was made with; and the comparison again, from it.

Both go through the same arithmetic (`detectors.divergence.gaps`), so that what is recomputed later, without the model,
is the same to the last bit.
"""

from collections.abc import Sequence

import numpy as np

from detectors.divergence.gaps import first_above, gaps, largest
from detectors.divergence.tokenisations import Reading, spell
from watchdog.domain.comparisons import Remeasured, ScoredTokens, Scoring
from watchdog.ports import NamesTokenizer, Scorer


def scoring(scorer: Scorer, text: bytes, best: Reading, led: Sequence[Reading]) -> Scoring:
    """Keep what the gap of the best reading, and those of the spans that other readings led to, rest on."""
    tokens = _tokens(best, len(best.gaps))
    repairs = tuple(_tokens(it, len(it.gaps) if it.excess is None else it.excess + 1) for it in led)
    named = {token for it in (tokens, *repairs) for token in (*it.ids, *it.first_ids)}
    vocabulary = scorer.vocabulary
    return Scoring(
        text=text,
        tokens=tokens,
        repairs=repairs,
        spellings={token: bytes(vocabulary[token]) for token in sorted(named)},
        model=scorer.digest,
        tokenizer=scorer.tokenizer_digest if isinstance(scorer, NamesTokenizer) else None,
    )


def remeasure(made: Scoring, tau: float) -> Remeasured:
    """Measure again from what was kept; needs no model."""
    return Remeasured(
        gap=largest(token_gaps(made.tokens)),
        span_gaps=tuple(_worst(it, tau) for it in made.repairs),
        spelled=_spelled(made),
    )


def token_gaps(tokens: ScoredTokens) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Return the gap of each token that was kept, and of the end of the turn where that was scored."""
    return gaps(np.array(tokens.logprob, float), np.array(tokens.first_logprob, float), tokens.end_logprob)


def _worst(tokens: ScoredTokens, tau: float) -> float:
    found = token_gaps(tokens)
    excess = first_above(found, tau)
    return 0.0 if excess is None else float(found[excess])


def _spelled(made: Scoring) -> bool:
    at: int | None = 0
    for token in made.tokens.ids:
        at = None if at is None else spell(made.text, at, made.spellings.get(token, b""))
    return at == len(made.text)


def _tokens(reading: Reading, rows: int) -> ScoredTokens:
    """Keep the first rows of a reading; the end of the turn is the row after its tokens."""
    count, scores = min(rows, len(reading.ids)), reading.scores
    return ScoredTokens(
        ids=tuple(map(int, reading.ids[:count])),
        logprob=tuple(map(float, scores.logprob[:count])),
        first_ids=tuple(map(int, scores.top_ids[:rows, 0])),
        first_logprob=tuple(map(float, scores.top_logprob[:rows, 0])),
        end_logprob=float(scores.end_logprob[-1]) if rows > count else None,
        windowed_from=scores.windowed_from,
    )
