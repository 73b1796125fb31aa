"""How well a loaded model reads held-out text: bits per byte, whatever computes it.

Training measures the same of a decoder in the making (`train.evaluate`); this takes any backend, so that what
packed weights lose can be told.
"""

import math
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camelid.generate.backend import Backend
from camelid.text.chat import Rendered, render_records
from camelid.text.corpus import read_records
from camelid.text.heldout import HELD_OUT, read_held_out
from camelid.text.records import Record
from camelid.text.sources import Source
from camelid.text.tokenizer import Tokenizer

READ_TOKENS = 16_384  # what is counted ends with the record that reaches so many


def find_text(folder: Path) -> Path | None:
    """Return the held-out records of a pair, or of the pair that a model lies in; None without any."""
    places = (folder / HELD_OUT, folder.resolve().parent / HELD_OUT)
    return next((place for place in places if place.is_file()), None)


def read_text(path: Path) -> list[Record]:
    """Return a pair's held-out records, or those of any data file, in a fixed random order.

    So the first ones stand for all.

    Raises DataError for a file that cannot be used.
    """
    kept = path.name == HELD_OUT
    records = read_held_out(path) if kept else list(read_records(Source(path.stem, path=str(path))))
    random.Random(0).shuffle(records)
    return records


def measure_reading(
    model: Backend, tokenizer: Tokenizer, records: Sequence[Record], *, max_tokens: int = READ_TOKENS
) -> float:
    """Return the bits that a model needs for each byte of what it should say: documents, and answers.

    Bits per byte compare across tokenizers. Of a record longer than the context its beginning counts.

    Raises DataError for records without a byte to say.
    """
    sizes = np.asarray(tokenizer.num_bytes)
    nats, num_bytes = 0.0, 0
    for rendered in _take(tokenizer, records, model.context, max_tokens):
        said = np.asarray(rendered.token_ids[1:])
        places = np.flatnonzero(rendered.supervised[1:])
        if len(places):
            logits = model.logits(rendered.token_ids[:-1])[places].astype(np.float64)
            nats -= float(log_softmax_at(logits, said[places]).sum())
            num_bytes += int(sizes[said[places]].sum())
    return nats / (math.log(2) * max(1, num_bytes))


def _take(
    tokenizer: Tokenizer, records: Sequence[Record], context: int, max_tokens: int
) -> Iterable[Rendered]:
    """Yield rendered records, cut to the context, until there are enough tokens."""
    taken = 0
    for record in records:
        if taken >= max_tokens:
            return
        (whole,) = render_records(tokenizer, [record])
        cut = Rendered(whole.token_ids[: context + 1], whole.supervised[: context + 1])
        taken += len(cut.token_ids)
        yield cut


def log_softmax_at(logits: NDArray[np.float64], chosen: NDArray[Any]) -> NDArray[np.float64]:
    """Return the log-probability of one token of each row: (N, V) and (N,) give (N,)."""
    top = logits.max(axis=1)
    spread = np.log(np.exp(logits - top[:, None]).sum(axis=1))
    found: NDArray[np.float64] = logits[np.arange(len(chosen)), chosen] - top - spread
    return found
