"""The torch backend: one sequence at a time, on a processor or a GPU; the reference for any other."""

import contextlib
import threading
from collections.abc import Generator, Mapping, Sequence
from typing import Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camelid.errors import RequestError
from camelid.generate.backend import Backend, check_adapter, check_length, check_tokens, room_for
from camelid.generate.sampling import Sampler, SamplingOptions, SamplingSettings
from camelid.generate.torch_packed import PackedAdapter, PackedCache, PackedDecoder
from camelid.model.adapter import Adapter, find_changes
from camelid.model.config import DecoderConfig
from camelid.model.decoder import Decoder

# Below these, waiting for a second core costs more than it brings, and with another busy program beside it
# costs everything (16 ms per token instead of 0.8). Measured on two cores, float32.
_PARAMETERS_FOR_ONE_CORE = 100_000_000
_PRODUCTS_FOR_ONE_CORE = 1_000_000_000  # of a prompt: parameters times tokens


class _OneCore:
    """While a thread is inside, torch keeps to one core; when it leaves there are as many as before.

    torch's setting holds for the thread that makes it and for those that use torch for the first time later,
    which may be while another thread is inside. So each puts back not what it met but the most that any of
    those met who were inside together; and a lone thread that has one core only changes nothing for others.
    """

    def __init__(self) -> None:
        self._lock, self._inside, self._cores = threading.Lock(), 0, 1

    def __enter__(self) -> None:
        with self._lock:
            self._cores = max(torch.get_num_threads(), self._cores if self._inside else 1)
            self._inside += 1
            self._set(1)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            self._set(self._cores)

    def _set(self, cores: int) -> None:
        if self._cores > 1:
            torch.set_num_threads(cores)


_ONE_CORE = _OneCore()  # of the process, as torch's setting is


class TorchModel(Backend):
    """A model that takes and gives token ids; threads may share it."""

    def __init__(
        self,
        decoder: Decoder,
        *,
        device: str | torch.device = "cpu",
        consume: bool = False,
        adapters: Mapping[str, Adapter] | None = None,
    ) -> None:
        """Take a decoder's weights as they are now, in its compute type; the adapters fit it.

        consume: take them away from the decoder, which is of no use afterwards; saves memory.
        """
        self.config: DecoderConfig = decoder.config
        self.dtype = str(decoder.compute_dtype).removeprefix("torch.")
        self.device = str(device)
        self._packed = PackedDecoder(decoder, device=torch.device(device), consume=consume)
        self._adapters = {
            name: self._packed.pack_adapter(find_changes(adapter, self.config))
            for name, adapter in (adapters or {}).items()
        }
        self.adapters = tuple(self._adapters)

    @property
    def weight_bytes(self) -> int:
        """Return the memory that the weights take, in bytes."""
        return self._packed.num_bytes

    @property
    def cache_bytes(self) -> int:
        """Return the memory that the key/value cache of one full context takes, in bytes."""
        return self.context * self.config.cache_bytes_per_token(self._packed.dtype.itemsize)

    def generate(
        self,
        token_ids: Sequence[int],
        *,
        stop_ids: Sequence[int] = (),
        dial: float = 1.0,
        adapter: str = "",
        **options: Unpack[SamplingOptions],
    ) -> Generator[int]:
        """Yield the tokens that follow `token_ids`, each as soon as it is known.

        The end is a token of `stop_ids`, which is not yielded; max_tokens; or the end of the context. Fewer
        tokens than `room_for` says therefore mean that the model stopped by itself. The options are those of
        `SamplingSettings`; greedy unless a temperature is given. adapter: the name of one of the model's,
        which changes it for this request.

        Raises RequestError at once for arguments out of range, and ContextTooLongError for a prompt that
        leaves no room for a token. The dial is the native backend's: anything but 1 is an error.
        """
        if dial != 1:
            raise RequestError("The dial needs the native backend: load the pair with backend='native'.")
        settings = SamplingSettings(**options)
        settings.check_fits(self.vocab_size)
        prompt = check_tokens(token_ids, self.vocab_size)
        limit = room_for(len(prompt), settings.max_tokens, self.context)
        return self._generate(prompt, limit, frozenset(stop_ids), settings, self._find(adapter))

    def logits(self, token_ids: Sequence[int], *, adapter: str = "") -> NDArray[np.float32]:
        """Return the logits after each token, (T, V), float32.

        Raises RequestError for no or unknown tokens or an unknown adapter, ContextTooLongError for more than
        the context holds.
        """
        prompt = check_tokens(token_ids, self.vocab_size)
        check_length(prompt, self.context)
        return self._advance(prompt, self._packed.new_cache(len(prompt)), self._find(adapter), last=False)

    def hidden(self, token_ids: Sequence[int], *, adapter: str = "") -> NDArray[np.float32]:
        """Return the states after the final norm, (T, D), float32: what the head reads.

        Raises the errors of `logits`.
        """
        prompt = check_tokens(token_ids, self.vocab_size)
        check_length(prompt, self.context)
        return _to_numpy(self._hidden(prompt, self._packed.new_cache(len(prompt)), self._find(adapter)))

    def _find(self, adapter: str) -> PackedAdapter | None:
        check_adapter(adapter, self.adapters)
        return self._adapters.get(adapter)

    def _generate(
        self,
        prompt: list[int],
        limit: int,
        stop_ids: frozenset[int],
        settings: SamplingSettings,
        adapter: PackedAdapter | None,
    ) -> Generator[int]:
        sampler = Sampler(settings, prompt, self.vocab_size)
        cache = self._packed.new_cache(len(prompt) + limit)
        fresh = prompt
        for _ in range(limit):
            token_id = sampler.pick(self._advance(fresh, cache, adapter, last=True)[0])
            if token_id in stop_ids:
                return
            yield token_id
            fresh = [token_id]

    def _advance(
        self, token_ids: list[int], cache: PackedCache, adapter: PackedAdapter | None, *, last: bool
    ) -> NDArray[np.float32]:
        """Feed tokens; return the logits after each, or after the last alone, float32."""
        with torch.inference_mode(), self._cores(len(token_ids)):
            hidden = self._hidden(token_ids, cache, adapter)
            return _to_numpy(self._packed.project(hidden[-1:] if last else hidden))

    @torch.inference_mode()
    def _hidden(self, token_ids: list[int], cache: PackedCache, adapter: PackedAdapter | None) -> Tensor:
        return self._packed.hidden(torch.tensor(token_ids, device=self._packed.device), cache, adapter)

    def _cores(self, num_tokens: int) -> contextlib.AbstractContextManager[None]:
        """Return what keeps to one core where the work is small."""
        size = self.config.num_parameters
        small = size < _PARAMETERS_FOR_ONE_CORE and size * num_tokens < _PRODUCTS_FOR_ONE_CORE
        return _ONE_CORE if small else contextlib.nullcontext()


def _to_numpy(numbers: Tensor) -> NDArray[np.float32]:
    return numbers.float().cpu().numpy()
