"""A smaller sibling out of a bigger one: its embeddings, its norm, and some of its layers, evenly spaced.

Source: Trinh et al. 2025 (GUIDE), arXiv:2510.06502, for starting a student from its teacher's parameters;
which layers are kept matters little as long as the first and the last are among them (arXiv:2502.04499).
"""

import dataclasses

import torch

from camelid.errors import RecipeError
from camelid.model.decoder import Decoder


def choose_layers(num_layers: int, num_kept: int) -> list[int]:
    """Return which layers are kept: evenly spaced, the first and the last among them; one alone is the first.

    Raises RecipeError when more are asked for than there are.
    """
    if not 1 <= num_kept <= num_layers:
        raise RecipeError(f"Of {num_layers} layers 1 to {num_layers} can be kept; found {num_kept}.")
    if num_kept == 1:
        return [0]
    return [round(index * (num_layers - 1) / (num_kept - 1)) for index in range(num_kept)]


@torch.no_grad()
def bear(parent: Decoder, num_layers: int) -> Decoder:
    """Return a decoder of `num_layers` layers with the parent's parameters; the parent keeps its own.

    Raises RecipeError when the parent has fewer layers.
    """
    kept = choose_layers(parent.config.num_hidden_layers, num_layers)
    child = Decoder(dataclasses.replace(parent.config, num_hidden_layers=num_layers))
    weights = parent.state_dict()
    for name, weight in child.named_parameters():
        parts = name.split(".")
        if parts[1] == "layers":
            parts[2] = str(kept[int(parts[2])])
        weight.copy_(weights[".".join(parts)])
    return child
