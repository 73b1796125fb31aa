"""Direct preference optimisation: a model moved so that it finds the better of two answers the likelier one.

What the model said of every answer before it learnt anything, the reference, is computed once and kept, so
no second model is held in memory.

Source: Rafailov et al. 2023, arXiv:2305.18290, equation 7.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from camelid.errors import RecipeError
from camelid.model.decoder import Decoder
from camelid.text.batches import IGNORE, Batch
from camelid.train.losses import log_probabilities
from camelid.train.precision import Plan
from camelid.train.preferences import PairBatch, TokenPairs
from camelid.train.stepper import place_ids, place_rows, prepare


@dataclass(frozen=True)
class Preferred:
    """How a model judges preference pairs.

    accuracy: share of pairs whose chosen answer has gained more over the reference than the rejected one; one
        that gained the same counts half, so it is 0.5 before training.
    margin: how much more, the mean of β·(log π/π_ref of the chosen − of the rejected); 0 before training.
    likelier: share of pairs whose chosen answer is, token by token, the likelier one, without a reference.
    """

    accuracy: float
    margin: float
    likelier: float
    pairs: int


class Preferring:
    """The objective: a `stepper.Objective` for batches of pairs."""

    def __init__(self, beta: float) -> None:
        """beta: how dearly moving away from the reference is paid.

        Raises RecipeError when it is not above 0.
        """
        if not beta > 0:
            raise RecipeError(f"beta must be above 0; found {beta:g}. Rafailov et al. use 0.1 to 0.5.")
        self._beta = beta

    def __call__(self, decoder: Decoder, batch: Batch, rows: slice, device: str) -> Tensor:
        """Return the summed loss of the pairs in some rows; the slice holds whole pairs."""
        assert isinstance(batch, PairBatch), "preferences are learnt from pairs"
        assert not (rows.start or 0) % 2, "the two answers of a pair stand in one slice"
        said = answer_log_probabilities(decoder, batch, rows, device)
        gained = said - torch.from_numpy(batch.reference[rows]).to(device)
        real = torch.from_numpy((batch.targets[rows] != IGNORE).any(axis=1)[::2]).to(device)
        losses = preference_loss(gained[::2], gained[1::2], self._beta)
        return torch.where(real, losses, 0.0).sum()


def preference_loss(chosen: Tensor, rejected: Tensor, beta: float) -> Tensor:
    """Return −log σ(β·(chosen − rejected)) of each pair, in nats: log 2 where nothing has been learnt.

    chosen, rejected: (P,), log π/π_ref of the two answers.

    Source: Rafailov et al. 2023, arXiv:2305.18290, equation 7.
    """
    return -F.logsigmoid(beta * (chosen - rejected))


def answer_log_probabilities(decoder: Decoder, batch: Batch, rows: slice, device: str) -> Tensor:
    """Return the log-probability of the answer in each of some rows, (B,), in nats."""
    inputs = place_rows(batch, rows, device)
    targets = place_ids(batch.targets[rows], device)
    hidden = decoder.hidden(*inputs).flatten(0, 1)
    found = log_probabilities(hidden, decoder.head_weight, targets.view(-1))
    return found.view(targets.shape).sum(dim=1)


def measure_reference(
    decoder: Decoder, pairs: TokenPairs, plan: Plan, *, context: int
) -> NDArray[np.float32]:
    """Return the log-probabilities of all answers as the decoder has them now, (P, 2), in nats."""
    found = [said for said, _ in _read_all(decoder, pairs, plan, context)]
    return np.concatenate([np.zeros((0, 2), np.float32), *found])


def measure_preferences(
    decoder: Decoder, pairs: TokenPairs, plan: Plan, *, context: int, beta: float
) -> Preferred:
    """Return how a decoder judges pairs whose reference is known; all zero without a pair."""
    if not len(pairs):
        return Preferred(0.0, 0.0, 0.0, 0)
    parts = list(_read_all(decoder, pairs, plan, context))
    said, lengths = (np.concatenate([part[index] for part in parts]) for index in (0, 1))
    gained = said - pairs.reference
    margins = beta * (gained[:, 0] - gained[:, 1])
    each = said / lengths
    return Preferred(
        accuracy=float(np.mean((margins > 0) + 0.5 * (margins == 0))),
        margin=float(margins.mean()),
        likelier=float(np.mean(each[:, 0] > each[:, 1])),
        pairs=len(pairs),
    )


def _read_all(
    decoder: Decoder, pairs: TokenPairs, plan: Plan, context: int
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """Yield, for some pairs at a time, log-probabilities and lengths of the two answers, each (P, 2).

    Gradients are not switched off but dropped: so the layers run in the form that is compiled already, and
    say to the bit what they say in training.
    """
    prepare(decoder, plan)
    step = plan.micro_rows // 2
    for first in range(0, len(pairs), step):
        numbers = range(first, min(first + step, len(pairs)))
        batch = pairs.batch(numbers, batch_pairs=step, context=context)
        said = answer_log_probabilities(decoder, batch, slice(None), plan.device).detach()
        lengths = (batch.targets != IGNORE).sum(axis=1)
        count = len(numbers)
        yield said.cpu().numpy().reshape(-1, 2)[:count], lengths.reshape(-1, 2)[:count]
