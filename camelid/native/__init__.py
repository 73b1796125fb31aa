"""The native room: a decoder out of packed weights, one step of many sequences in one call, without torch.

The C++ beside this holds the kernels and the step; `packing` turns a model folder into what they read. Token
ids in, token ids out: strings and scheduling are other rooms' work.
"""

import os

from camelid.errors import MissingExtraError, RequestError, suggest

try:
    import camelid.native._native as _native
except ImportError:  # installed without a C++ compiler
    _native = None  # type: ignore[assignment]

__all__ = ["NativeMissingError", "_native", "choose_isa", "is_built", "isas"]

REMEDY = (
    "The native engine was not built, for want of a C++ compiler when camelid was installed. Install one "
    "(Debian, Ubuntu: sudo apt-get install g++; macOS: xcode-select --install), then camelid once more."
)
ISA_VARIABLE = "CAMELID_ISA"


class NativeMissingError(MissingExtraError):
    """The native engine is not there; torch can do its work."""

    def __init__(self) -> None:
        super(MissingExtraError, self).__init__(REMEDY)


def is_built() -> bool:
    """Return whether the native engine was built when camelid was installed."""
    return _native is not None


def isas() -> list[str]:
    """Return the instruction sets that were built and that this processor has, the best first."""
    return list(_native.isas()) if _native is not None else []


def choose_isa() -> str:
    """Return the instruction set to use: the best, or the one that CAMELID_ISA names.

    Raises NativeMissingError when nothing was built, RequestError for a name that this processor lacks.
    """
    known = isas()
    if not known:
        raise NativeMissingError
    wished = os.environ.get(ISA_VARIABLE) or known[0]
    if wished not in known:
        raise RequestError(
            f"{ISA_VARIABLE} must name an instruction set of this processor; found {wished!r}."
            f"{suggest(wished, known)}"
        )
    return wished
