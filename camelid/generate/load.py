"""A model folder into a loaded model, by the backend that is there."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypedDict, get_args

from camelid.errors import MissingExtraError, RequestError, suggest
from camelid.generate.backend import Backend
from camelid.generate.native_backend import NativeModel
from camelid.model.adapter import Adapter, check_fits, read_adapter
from camelid.model.config import DecoderConfig
from camelid.model.folder import read_config
from camelid.native import is_built
from camelid.native.packing import Weights, cache_token_bytes, packed_bytes

_DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # of Nvidia, AMD, and a GPU under WSL

DEFAULT_WEIGHTS: Weights = "int8"

BackendName = Literal["auto", "native", "torch"]
DType = Literal["float32", "bfloat16", "float16"]


class LoadOptions(TypedDict, total=False):
    """The options of `load_model` as keyword arguments."""

    backend: BackendName
    weights: Weights | None
    threads: int | None
    dtype: DType | None
    device: str
    adapters: Mapping[str, Path | str] | None


def load_model(
    folder: Path | str,
    *,
    backend: BackendName = "auto",
    weights: Weights | None = None,
    threads: int | None = None,
    dtype: DType | None = None,
    device: str = "",
    adapters: Mapping[str, Path | str] | None = None,
) -> Backend:
    """Return the model in a model folder: ours, or any Llama from Hugging Face.

    backend: what computes: "native" on a processor, "torch" anywhere; "auto" takes native, unless torch has a
        GPU, a setting of torch is given, or the native engine was not built.
    weights, threads: what the native backend packs the weights in, int8 by default, and how many threads it
        uses, by default as many as there are cores.
    dtype, device: what torch has weights and arithmetic in, by default float32 on a processor and bfloat16
        on a GPU; and where: "cpu", "cuda" and so on, by default a GPU where torch sees one.
    adapters: folders of LoRA adapters of this model, ours or peft's, by the names that requests ask for.

    Raises CheckpointError for a folder that cannot be read or an adapter of another model, RequestError for
    an unknown backend, type or device or one that another backend has, MissingExtraError when the backend is
    not installed.
    """
    for name, value, known in (
        ("backend", backend, BackendName),
        ("weights", weights, Weights),
        ("dtype", dtype, DType),
    ):
        if value is not None and value not in get_args(known):
            raise RequestError(f"There is no {name} {value!r}.{suggest(str(value), get_args(known))}")
    of_native, of_torch = {"weights": weights, "threads": threads}, {"dtype": dtype, "device": device}
    if backend == "auto":
        backend = _choose_backend(any(of_native.values()), any(of_torch.values()))
    native = backend == "native"
    for name, setting in (of_torch if native else of_native).items():
        if setting:
            owner = "torch" if native else "native"
            raise RequestError(
                f"{name} is a setting of the {owner} backend. Add backend={owner!r}, or drop it."
            )
    config = read_config(folder)  # complains of a folder before torch, which takes seconds, is brought in
    read = {name: read_adapter(place) for name, place in (adapters or {}).items()}
    for adapter in read.values():
        check_fits(adapter, config)
    if native:
        return NativeModel(folder, weights=weights or DEFAULT_WEIGHTS, threads=threads, adapters=read)
    return _load_torch(folder, dtype, device, read)


def predict_memory(config: DecoderConfig) -> tuple[int, int]:
    """Return the bytes that a model's weights and its cache of a full context will take on a processor.

    As `load_model` would load it here: packed in int8 by the native backend, or by torch in float32.
    """
    if not is_built():
        return 4 * config.num_parameters, config.max_position_embeddings * config.cache_bytes_per_token(4)
    cache_bytes = config.max_position_embeddings * cache_token_bytes(config, DEFAULT_WEIGHTS)
    return packed_bytes(config, DEFAULT_WEIGHTS), cache_bytes


def _choose_backend(wants_native: bool, wants_torch: bool) -> Literal["native", "torch"]:
    if wants_native or wants_torch:
        return "native" if wants_native else "torch"
    return "native" if is_built() and not _has_gpu() else "torch"


def _has_gpu() -> bool:
    """Return whether torch has a GPU; torch takes seconds to import, and is asked only where a driver is."""
    if not shutil.which("nvidia-smi") and not any(Path(driver).exists() for driver in _DRIVERS):
        return False
    try:
        import torch
    except ModuleNotFoundError:
        return False
    return torch.cuda.is_available()


def _load_torch(
    folder: Path | str, dtype: DType | None, device: str, adapters: Mapping[str, Adapter]
) -> Backend:
    try:
        import torch

        from camelid.generate.torch_backend import TorchModel
        from camelid.model.checkpoint import load_decoder
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtraError("torch", "train") from None
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # what torch raises for a device that is not there
        problem = str(error).strip().splitlines()[0]
        raise RequestError(f"The device {device!r} cannot be used: {problem} Use 'cpu'.") from None
    number = getattr(torch, dtype or ("float32" if device == "cpu" else "bfloat16"))
    decoder = load_decoder(folder, dtype=number)
    return TorchModel(decoder, device=device, consume=True, adapters=adapters)
