"""camelid: raise a pair of language models from your text, a deep Llama and a quick Alpaca.

    pair = camelid.load("pairs/demo")
    pair.reply("Which is bigger, a llama or an alpaca?", model="alpaca").text

What is offered here is imported when it is first used, so that `import camelid` costs nothing.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from camelid.errors import CamelidError
    from camelid.generate.load import load_model
    from camelid.pair import Pair, Reply, Speaker, Stream, load

    __version__: str

__all__ = ["CamelidError", "Pair", "Reply", "Speaker", "Stream", "__version__", "load", "load_model"]

_PLACES = {
    "CamelidError": "camelid.errors",
    "load_model": "camelid.generate.load",
    **dict.fromkeys(("Pair", "Reply", "Speaker", "Stream", "load"), "camelid.pair"),
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version  # slow to import

        return version("camelid")
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'camelid' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
