"""The arithmetic of the gap test, over plain arrays: when a reply is compared, and when that is recomputed."""

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]


def gaps(logprob: _Floats, first_logprob: _Floats, end_logprob: float | None) -> _Floats:
    """Return how far each token lies below the model's first choice, and the end of the turn, where it is asked for.

    `first_logprob` has one row more than there are tokens when `end_logprob` is given.
    """
    found = first_logprob[: len(logprob)] - logprob
    if end_logprob is None:
        return found
    # Scorers may list the end of the turn among the first choices or not.
    return np.append(found, max(float(first_logprob[-1]), end_logprob) - end_logprob)


def largest(found: _Floats) -> float:
    """Return the largest gap; 0 when there is nothing to have one."""
    return float(found.max(initial=0.0))


def first_above(found: _Floats, tau: float) -> int | None:
    """Return the first position whose gap is above tau."""
    above = np.flatnonzero(found > tau)
    return int(above[0]) if above.size else None
