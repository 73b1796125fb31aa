"""A request's fields into an `Ask`: settings, stop strings, wishes; the same for every dialect."""

from collections.abc import Mapping
from typing import Any

from camelid.generate.sampling import SamplingSettings
from camelid.serve.core import Core
from camelid.serve.refusals import Refusal
from camelid.serve.schema.strict import Drawing

_MOST_STOPS, _LONGEST_STOP = 64, 1024
_ENDLESS = 2**31 - 1  # the context ends a reply before
_DRAWN = (
    *("top_p", "top_k", "min_p", "repetition_penalty"),
    *("presence_penalty", "frequency_penalty"),
)


def make_settings(
    core: Core, body: Drawing, *, max_tokens: int | None = None, top_logprobs: int | None = None
) -> SamplingSettings:
    """Return how the reply to a request is drawn; what it leaves open is as the server was started.

    max_tokens: None for as many as the context holds.

    Raises RequestError for a number out of its range.
    """
    drawn: dict[str, Any] = {name: getattr(body, name) for name in _DRAWN if getattr(body, name) is not None}
    return SamplingSettings(
        max_tokens=max_tokens or _ENDLESS,
        temperature=core.settings.temperature if body.temperature is None else body.temperature,
        seed=None if body.seed is None else body.seed % 2**64,
        logit_bias=_read_bias(body.logit_bias or {}),
        top_logprobs=top_logprobs,
        **drawn,
    )


def read_stops(stop: str | list[str] | None, *, param: str = "stop") -> tuple[str, ...]:
    """Return the strings that end a reply.

    Raises Refusal for an empty one, or for more or longer ones than this server looks for.
    """
    stops = (stop,) if isinstance(stop, str) else tuple(stop or ())
    if any(not text for text in stops):
        raise Refusal(f"{param} must hold texts; found an empty one. Leave it out.", param=param)
    if len(stops) > _MOST_STOPS or any(len(text) > _LONGEST_STOP for text in stops):
        raise Refusal(
            f"{param} may hold {_MOST_STOPS} texts of {_LONGEST_STOP} characters; found more.", param=param
        )
    return stops


def check_count(core: Core, n: int | None) -> int:
    """Return how many replies are asked for.

    Raises Refusal for more than the server gives to one request.
    """
    count = n or 1
    most = min(core.settings.max_n, core.settings.max_running + core.settings.max_queue)
    if count > most:
        raise Refusal(
            f"n may be {most}; found {count}. Ask several times, or start the server with a larger --max-n.",
            param="n",
        )
    return count


def _read_bias(biases: Mapping[str, float]) -> dict[int, float]:
    bad = next((key for key in biases if not (key.isascii() and key.isdigit())), None)
    if bad is not None:
        raise Refusal(f"logit_bias must name tokens by their ids; found {bad!r}.", param="logit_bias")
    return {int(key): bias for key, bias in biases.items()}
