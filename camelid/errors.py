"""The family of exceptions: everything camelid raises on purpose.

    CamelidError
    ├── RecipeError       a recipe or an option that cannot be followed     (also a ValueError)
    ├── DataError         a data file, a record or a corpus that cannot be used (also a ValueError)
    ├── TokenizerError    a tokenizer that is missing, broken or mismatched
    ├── CheckpointError   a model or pair folder that cannot be read or written
    ├── RunError          a training run that cannot go on: folder in use, disk full, loss not finite
    ├── MissingExtraError an optional dependency that is not installed
    └── RequestError      a request to a model that cannot be answered      (also a ValueError)
        └── ContextTooLongError

A message says what was expected, what was found and what to do about it, in one or two sentences.
"""

import difflib
from collections.abc import Iterable


class CamelidError(Exception):
    """The root: catch this to catch whatever camelid raises on purpose."""


class RecipeError(CamelidError, ValueError):
    """A recipe, a setting or an option that cannot be followed."""


class DataError(CamelidError, ValueError):
    """A data file, a record or a corpus that cannot be used."""


class TokenizerError(CamelidError):
    """A tokenizer that is missing, broken, or does not belong to the model."""


class CheckpointError(CamelidError):
    """A model folder, a pair folder or a checkpoint that cannot be read or written."""


class RunError(CamelidError):
    """A training run that cannot go on; the last checkpoint is intact."""


class MissingExtraError(CamelidError):
    """An optional dependency that is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"This needs the package {package!r}. Install it: pip install 'camelid[{extra}]'")


class RequestError(CamelidError, ValueError):
    """A request to a model that cannot be answered as it stands."""


class ContextTooLongError(RequestError):
    """A prompt that does not fit in the model's context."""


def suggest(word: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the known word nearest to `word`, or the list of known words."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else f" Known: {', '.join(names)}."
