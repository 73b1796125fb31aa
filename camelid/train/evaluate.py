"""Held-out text into bits per byte, language by language."""

import math
from collections import defaultdict
from collections.abc import Sequence

import torch

from camelid.model.decoder import Decoder
from camelid.text.batches import held_out_batches
from camelid.text.shards import TokenShard
from camelid.train.losses import cross_entropy
from camelid.train.precision import Plan
from camelid.train.stepper import place_rows, prepare

TOKENS_PER_LANGUAGE = 16_384  # of every measurement, so that those along the way and the last one compare


def measure_bits_per_byte(
    decoder: Decoder,
    shards: Sequence[TokenShard],
    plan: Plan,
    *,
    context: int,
    tokens_per_language: int = TOKENS_PER_LANGUAGE,
) -> dict[str, float]:
    """Return bits per byte of what a model should say, by language: documents, and the assistant's words.

    Bits per byte, unlike the loss, compare across tokenizers. The same records are taken every time.
    Gradients are not switched off but dropped: so the layers run in the form that is compiled already.
    """
    nats: dict[str, float] = defaultdict(float)
    sizes: dict[str, int] = defaultdict(int)
    batches = held_out_batches(
        shards,
        context=context,
        batch_size=plan.micro_rows,
        max_tokens_per_language=tokens_per_language,
        mode="finetune",
    )
    forms, head = prepare(decoder, plan), decoder.head_weight.detach()
    for batch, lang, num_bytes in batches:
        inputs = place_rows(batch, slice(None), plan.device)
        hidden = decoder.hidden(*inputs).flatten(0, 1).detach()
        targets = torch.from_numpy(batch.targets).long().to(plan.device).view(-1)
        nats[lang] += float(cross_entropy(hidden, head, targets, step=forms.cross_entropy))
        sizes[lang] += num_bytes
    return {lang or "unknown": nats[lang] / (math.log(2) * sizes[lang]) for lang in nats if sizes[lang]}
