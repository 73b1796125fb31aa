"""The native backend: a model folder on a processor, without torch."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from camelid.errors import RequestError
from camelid.generate.backend import Backend, Tokens, check_adapter, check_length, check_tokens
from camelid.generate.engine import Engine
from camelid.generate.sampling import SamplingOptions, SamplingSettings
from camelid.generate.speculative import PairDrafter
from camelid.model.adapter import Adapter
from camelid.model.config import DecoderConfig
from camelid.model.folder import read_config
from camelid.native import _native
from camelid.native.adapters import bind_adapter
from camelid.native.loading import choose_threads, load_native
from camelid.native.packing import Weights, cache_token_bytes, packed_bytes

_CACHED_BYTES = 256 << 20  # of keys and values, if that is more than one full context
_ROWS = 256  # of logits that are computed at a time


class NativeModel(Backend):
    """A model that takes and gives token ids; threads may share it, and are then answered together.

    What was read for one request is kept for the next one that begins alike, as far as there is room.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        weights: Weights = "int8",
        threads: int | None = None,
        cache_tokens: int | None = None,
        adapters: Mapping[str, Adapter] | None = None,
    ) -> None:
        """Load a model folder; see `load_model`. The adapters fit it.

        cache_tokens: how many positions of all requests together are kept; at least those of one context.
        """
        self.config: DecoderConfig = read_config(folder)
        self.weights, self.dtype = weights, str(weights)
        self.device = "cpu"
        self._words = weights != "f32"
        self.threads = choose_threads(threads)
        self.native = load_native(folder, weights=weights, threads=self.threads)
        self.cache_tokens = cache_tokens or self._usual_cache()
        self._adapters = {
            name: bind_adapter(adapter, self.config, threads=self.threads)
            for name, adapter in (adapters or {}).items()
        }
        self.adapters = tuple(self._adapters)
        self.engine = Engine(
            self.native,
            vocab_size=self.vocab_size,
            context=self.context,
            cache_tokens=self.cache_tokens,
            words=self._words,
            adapters=self._adapters,
        )

    @property
    def weight_bytes(self) -> int:
        """Return the memory that the weights take, in bytes."""
        return packed_bytes(self.config, self.weights)

    @property
    def cache_bytes(self) -> int:
        """Return the memory that the key/value cache of one full context takes, in bytes."""
        return self.context * cache_token_bytes(self.config, self.weights)

    def generate(
        self,
        token_ids: Sequence[int],
        *,
        stop_ids: Sequence[int] = (),
        dial: float = 1.0,
        adapter: str = "",
        **options: Unpack[SamplingOptions],
    ) -> Tokens:
        """Yield the tokens that follow `token_ids`, each as soon as it is known.

        The same promises as `TorchModel.generate`. Closing the iterator frees at once what the request has.
        dial, adapter: see `Engine.submit`; a dial is an error while no other model guesses.
        """
        if dial != 1 and self.engine.drafter is None:
            raise RequestError(
                "The dial lies between two models: ask the Llama of a pair that was loaded with "
                "backend='native' and speculate=True."
            )
        settings = SamplingSettings(**options)
        return self.engine.stream(
            self.engine.submit(token_ids, settings, stop_ids=stop_ids, dial=dial, adapter=adapter)
        )

    def logits(self, token_ids: Sequence[int], *, adapter: str = "") -> NDArray[np.float32]:
        """Return the logits after each token, (T, V), float32.

        Raises RequestError for no or unknown tokens or an unknown adapter, ContextTooLongError for more than
        the context holds.
        """
        return self._read(token_ids, self.vocab_size, self.native.logits, adapter)

    def hidden(self, token_ids: Sequence[int], *, adapter: str = "") -> NDArray[np.float32]:
        """Return the states after the final norm, (T, D), float32: what the head reads.

        Raises the errors of `logits`.
        """
        return self._read(token_ids, self.config.hidden_size, self.native.hidden, adapter)

    def _read(
        self, token_ids: Sequence[int], width: int, read: Callable[..., None], adapter: str
    ) -> NDArray[np.float32]:
        """Return what reading tokens in a cache of their own leaves after each, (T, width)."""
        prompt = check_tokens(token_ids, self.vocab_size)
        check_length(prompt, self.context)
        check_adapter(adapter, self.adapters)
        num_blocks = -(-len(prompt) // _native.BLOCK)
        cache = self.native.new_cache(num_blocks, self._words)
        sequence = _native.Sequence(prompt, _native.Sampling())
        sequence.blocks = list(range(num_blocks))
        if adapter:
            sequence.use(self._adapters[adapter])
        found = np.empty((len(prompt), width), np.float32)
        for first in range(0, len(prompt), _ROWS):
            rows = found[first : first + _ROWS]
            read(cache, sequence, len(rows), rows)
        return found

    def let_guess(self, other: "NativeModel") -> None:
        """Let another model guess what this one says, so that it says the same sooner; see `speculative`.

        Raises RequestError when the two have not the same number of tokens.
        """
        if other.vocab_size != self.vocab_size:
            raise RequestError(
                f"Only a model of the same tokens can guess: this one has {self.vocab_size}, the other "
                f"{other.vocab_size}. Use two of one tokenizer."
            )
        self.engine.drafter = PairDrafter(
            other.native, context=other.context, cache_tokens=other.cache_tokens, words=self._words
        )

    def _usual_cache(self) -> int:
        return max(self.context, _CACHED_BYTES // cache_token_bytes(self.config, self.weights))
