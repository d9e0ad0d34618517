"""The parameters of a request by the names of the OpenAI API, which most logs carry inside."""

import msgspec

from detectors.logs.formats.values import count, whole


class Parameters(msgspec.Struct, gc=False):
    """What a client set: all of it may be anything."""

    logprobs: object = None
    top_logprobs: object = None
    logit_bias: object = None
    n: object = None
    seed: object = None
    max_tokens: object = None
    max_completion_tokens: object = None
    max_output_tokens: object = None


def sampling(it: Parameters) -> tuple[int | None, int | None, int | None, int | None, int | None]:
    """Return `top_logprobs`, `logit_bias`, `choices`, `seed` and `max_tokens`, in the order of `Query`.

    What cannot be read counts as not told.
    """
    bias = it.logit_bias
    return (
        count(it.logprobs if it.top_logprobs is None else it.top_logprobs),
        len(bias) if isinstance(bias, dict) else None,
        count(it.n),
        whole(it.seed),
        count(it.max_completion_tokens or it.max_output_tokens or it.max_tokens),
    )
