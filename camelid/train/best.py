"""The weights that read held-out text best while a stage learnt, kept on disk until it ends.

A few hundred conversations are known by heart long before a budget of minutes is over, and what was held out
is read worse from there on; so the best weights are what comes out, not the last ones. They were picked by
the held-out text, which makes its last figure a little too good.

Source: Prechelt 1998, "Early Stopping, But When?"; differs: the whole budget is spent, and the best is looked
for where the loop measures anyway.
"""

import json
from pathlib import Path
from statistics import fmean

import torch
from safetensors.torch import load_file, save_file

from camelid.files import write_folder, write_json
from camelid.model.decoder import Decoder
from camelid.train.loop import Evaluate
from camelid.train.precision import Plan

_WEIGHTS, _TOLD = "weights.safetensors", "best.json"


class Best:
    """What measures held-out text, and keeps the weights whenever it is read better than ever before."""

    def __init__(self, folder: Path, evaluate: Evaluate) -> None:
        """Go on from what the folder keeps.

        evaluate: returns bits per byte by language, or nothing, and then nothing is kept.
        """
        self._folder, self._evaluate = folder, evaluate

    def __call__(self, decoder: Decoder, plan: Plan) -> dict[str, float]:
        """Return bits per byte by language."""
        figures = self._evaluate(decoder, plan)
        self.offer(decoder, figures)
        return figures

    @property
    def bits_per_byte(self) -> float:
        """Return how well the kept weights read, the mean of the languages; infinity where none are kept."""
        try:
            told = json.loads((self._folder / _TOLD).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return float("inf")
        return float(told["bits_per_byte"])

    def offer(self, decoder: Decoder, figures: dict[str, float]) -> None:
        """Keep the weights that are learnt, if they read better than those that are kept."""
        if not figures or fmean(figures.values()) >= self.bits_per_byte:
            return
        weights = {
            name: weight.detach().to("cpu").contiguous()
            for name, weight in decoder.named_parameters()
            if weight.requires_grad
        }

        def fill(fresh: Path) -> None:
            save_file(weights, fresh / _WEIGHTS)
            write_json(fresh / _TOLD, {"bits_per_byte": fmean(figures.values())})

        write_folder(self._folder, fill)

    def restore(self, decoder: Decoder, figures: dict[str, float]) -> bool:
        """Put the kept weights into the decoder if they read better than `figures`; return whether so."""
        if not figures or fmean(figures.values()) <= self.bits_per_byte:
            return False
        stored = load_file(self._folder / _WEIGHTS)
        with torch.no_grad():
            for name, weight in decoder.named_parameters():
                if name in stored:
                    weight.copy_(stored[name])
        return True
