"""One model tried on the native engine, in a process of its own: `python -m camelid.compare.trial`, JSON out.

A process of its own, because only then its peak memory is that of this model and nothing else.
"""

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camelid.compare.apart import answer, read_peak_bytes, run_apart
from camelid.compare.reading import measure_reading, read_text
from camelid.generate.bandwidth import bytes_per_token
from camelid.generate.native_backend import NativeModel
from camelid.generate.speed import Speed, measure_speed
from camelid.native.packing import Weights
from camelid.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Trial:
    """What the native engine makes of one model.

    token_bytes: what it reads from memory for one token, the mean over the replies.
    cache_bytes: of the key/value cache of one full context. peak_bytes: the most that the process had.
    bits_per_byte: of the text that was read, if any.
    """

    weights: str
    isa: str
    threads: int
    speed: Speed
    token_bytes: float
    weight_bytes: int
    cache_bytes: int
    peak_bytes: int
    bits_per_byte: float | None = None

    @property
    def prefill_tokens_per_s(self) -> float:
        """Return how fast a prompt is read; the choice of the first token is a part of it."""
        return self.speed.prompt_tokens / self.speed.first_token_s

    @property
    def read_bytes_per_s(self) -> float:
        """Return how fast memory is read while decoding."""
        return self.token_bytes * self.speed.tokens_per_s

    def to_dict(self, bandwidth: float) -> dict[str, Any]:
        """Return all as plain values, with the share of a machine's bandwidth, in bytes per second."""
        return {
            **dataclasses.asdict(self),
            "prefill_tokens_per_s": self.prefill_tokens_per_s,
            "decode_tokens_per_s": self.speed.tokens_per_s,
            "bandwidth_share": self.read_bytes_per_s / bandwidth,
        }


def try_apart(
    folder: Path, weights: Weights, *, threads: int, prompt_tokens: int, new_tokens: int, text: Path | None
) -> Trial:
    """Return what the native engine makes of a model, tried in a new process.

    text: a data file to read besides.

    Raises CheckpointError when the model cannot be loaded or the text not read.
    """
    words = [str(folder), weights, str(text or ""), str(threads), str(prompt_tokens), str(new_tokens)]
    table = run_apart(__name__, words, doing=f"{folder} could not be tried")
    return Trial(**{**table, "speed": Speed(**table["speed"])})


def try_model(
    folder: Path,
    weights: Weights,
    *,
    threads: int,
    prompt_tokens: int,
    new_tokens: int,
    text: Path | None = None,
) -> Trial:
    """Return what the native engine makes of a model, tried in this process."""
    model = NativeModel(folder, weights=weights, threads=threads)
    speed = measure_speed(model, prompt_tokens=prompt_tokens, new_tokens=new_tokens)
    positions = speed.prompt_tokens + speed.new_tokens / 2
    peak_bytes = read_peak_bytes()  # reading the text takes memory of its own
    return Trial(
        weights=weights,
        isa=model.native.isa,
        threads=model.threads,
        speed=speed,
        token_bytes=bytes_per_token(model.config, weights, positions=positions),
        weight_bytes=model.weight_bytes,
        cache_bytes=model.cache_bytes,
        peak_bytes=peak_bytes,
        bits_per_byte=measure_reading(model, Tokenizer.load(folder), read_text(text)) if text else None,
    )


def _main(folder: str, weights: Weights, text: str, *numbers: str) -> None:
    threads, prompt_tokens, new_tokens = map(int, numbers)
    trial = try_model(
        Path(folder),
        weights,
        threads=threads,
        prompt_tokens=prompt_tokens,
        new_tokens=new_tokens,
        text=Path(text) if text else None,
    )
    answer(dataclasses.asdict(trial))


if __name__ == "__main__":
    _main(*sys.argv[1:])  # type: ignore[arg-type]
