"""Who can answer: both models of a pair and the router between them, or the one model of a model folder."""

from pathlib import Path
from typing import Any, Unpack

from camelid.cli.options import find_model, open_speakers
from camelid.errors import RequestError, suggest
from camelid.generate.sampling import SamplingOptions
from camelid.pair import AUTO, Messages, Pair, Speaker, Stream


class Chooser:
    """The router of a pair, asked like one of its models; contexts and tokens are the Alpaca's."""

    name = AUTO

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.alpaca = pair["alpaca"]
        self.config, self.tokenizer = self.alpaca.config, self.alpaca.tokenizer

    def load(self) -> None:
        """Read the router and both models now, so that no answer has to wait for them.

        Raises RequestError when the pair has no router, CheckpointError when something cannot be read.
        """
        _ = self.pair.router
        for speaker in self.pair.speakers.values():
            speaker.load()

    def count_tokens(self, messages: Messages) -> int:
        """Return how many tokens the prompt for an answer to `messages` has."""
        return self.alpaca.count_tokens(messages)

    def stream(self, messages: Messages, **options: Unpack[SamplingOptions]) -> Stream:
        """Return the answer of whom the router chooses, piece by piece."""
        return self.pair.stream(messages, model=AUTO, **options)

    def describe(self) -> str:
        """Return in a line what the router goes by."""
        router = self.pair.router
        found: dict[str, Any] = router.evidence
        kind = "what the Alpaca reads" if router.heads is not None else "the task table"
        wished = f", set so that {found['target']}" if "target" in found else ""
        return f"auto: the router chooses by {kind}{wished}"


Voice = Speaker | Chooser


def open_voices(folder: Path) -> dict[str, Voice]:
    """Return who can answer, by name; of a pair "auto" too.

    Raises CheckpointError when the folder is neither a pair nor a model.
    """
    if find_model(folder) is not None:
        return dict(open_speakers(folder))
    pair = Pair(folder)
    return {**pair.speakers, AUTO: Chooser(pair)}


def choose_voice(voices: dict[str, Voice], name: str, default: str) -> Voice:
    """Return the voice of that name; without a name `default`, or the only one there is.

    Raises RequestError when there is no such voice.
    """
    if not name:
        return voices.get(default) or next(iter(voices.values()))
    if name not in voices:
        raise RequestError(f"There is no model {name!r} here.{suggest(name, voices)}")
    return voices[name]
