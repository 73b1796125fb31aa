"""A model folder into a loaded model, by the backend that is there."""

from pathlib import Path
from typing import Literal, get_args

from camelid.errors import MissingExtraError, RequestError, suggest
from camelid.generate.backend import Backend
from camelid.model.folder import read_config

BackendName = Literal["auto", "torch"]
DType = Literal["float32", "bfloat16", "float16"]
_PLANNED = ("native",)


def load_model(
    folder: Path | str, *, backend: BackendName = "auto", dtype: DType | None = None, device: str = ""
) -> Backend:
    """Return the model in a model folder: ours, or any Llama from Hugging Face.

    backend: what computes; "auto" takes the fastest that is installed, which so far is torch.
    dtype: what weights and arithmetic are in; None means float32 on a processor, bfloat16 on a GPU.
    device: "cpu", "cuda" and so on; by default a GPU where torch sees one.

    Raises CheckpointError for a folder that cannot be read, RequestError for an unknown backend, type or
    device, MissingExtraError when torch is not installed.
    """
    if backend in _PLANNED:
        raise RequestError(f"The backend {backend!r} is not built yet; 'torch' and 'auto' are.")
    for name, value, known in (("backend", backend, BackendName), ("dtype", dtype, DType)):
        if value is not None and value not in get_args(known):
            raise RequestError(f"There is no {name} {value!r}.{suggest(str(value), get_args(known))}")
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
