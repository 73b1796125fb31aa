"""A model folder into a loaded model, by the backend that is there."""

from pathlib import Path
from typing import Literal, TypedDict, get_args

from camelid.errors import MissingExtraError, RequestError, suggest
from camelid.generate.backend import Backend
from camelid.generate.native_backend import NativeModel
from camelid.model.folder import read_config
from camelid.native.packing import Weights

BackendName = Literal["auto", "native", "torch"]
DType = Literal["float32", "bfloat16", "float16"]


class LoadOptions(TypedDict, total=False):
    """The options of `load_model` as keyword arguments."""

    backend: BackendName
    weights: Weights | None
    threads: int | None
    dtype: DType | None
    device: str


def load_model(
    folder: Path | str,
    *,
    backend: BackendName = "auto",
    weights: Weights | None = None,
    threads: int | None = None,
    dtype: DType | None = None,
    device: str = "",
) -> Backend:
    """Return the model in a model folder: ours, or any Llama from Hugging Face.

    backend: what computes: "native" on a processor, "torch" anywhere; "auto" takes torch.
    weights, threads: what the native backend packs the weights in, int8 by default, and how many threads it
        uses, by default as many as there are cores.
    dtype, device: what torch has weights and arithmetic in, by default float32 on a processor and bfloat16
        on a GPU; and where: "cpu", "cuda" and so on, by default a GPU where torch sees one.

    Raises CheckpointError for a folder that cannot be read, RequestError for an unknown backend, type or
    device or one that another backend has, MissingExtraError when the backend is not installed.
    """
    for name, value, known in (
        ("backend", backend, BackendName),
        ("weights", weights, Weights),
        ("dtype", dtype, DType),
    ):
        if value is not None and value not in get_args(known):
            raise RequestError(f"There is no {name} {value!r}.{suggest(str(value), get_args(known))}")
    native = backend == "native"
    foreign = {"dtype": dtype, "device": device} if native else {"weights": weights, "threads": threads}
    for name, setting in foreign.items():
        if setting:
            owner = "torch" if native else "native"
            raise RequestError(
                f"{name} is a setting of the {owner} backend. Add backend={owner!r}, or drop it."
            )
    if native:
        return NativeModel(folder, weights=weights or "int8", threads=threads)
    read_config(folder)  # complains of a folder before torch, which takes seconds, is brought in
    return _load_torch(folder, dtype, device)


def _load_torch(folder: Path | str, dtype: DType | None, device: str) -> Backend:
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
    return TorchModel(decoder, device=device, consume=True)
