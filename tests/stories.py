"""The checkpoint stories260K of llama2.c, for tests that want weights which say something.

It lies beside the repository where there is shared data; without it, these tests skip.
"""

import os
from pathlib import Path

DATA = Path(os.environ.get("CAMELID_DATA", Path(__file__).parents[2] / "shared" / "data"))
STORIES = DATA / "llama_checkpoints" / "stories260K"


def write_stories(folder):
    """Write the model folder and return it."""
    from camelid.export.llama2c import import_llama2c

    import_llama2c(STORIES / "stories260K.bin", STORIES / "tok512.bin", folder)
    return folder


def read_documented():
    """Return the greedy text that llama2.c's documentation shows."""
    return (STORIES / "reference_greedy.txt").read_text(encoding="utf-8").strip()
