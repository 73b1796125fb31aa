"""Labelled requests that are made up, with a gain that the reading tells and the words tell only in part."""

import numpy as np

from camelid.route.evidence import Evidence
from camelid.route.features import Kind, length_of
from camelid.text.records import Message

KINDS = (Kind("translation", "de"), Kind("service", "en"), Kind("smalltalk", "fr"))
WORDS = ("translate into German the little {}", "please help me my parcel {} is lost", "bonjour ça va {}")


def make_evidence(num=300, *, seed=0, told=0.6):
    """Return evidence; told: how much of the gain is in the hidden state."""
    generator = np.random.default_rng(seed)
    which = generator.integers(0, 3, num)
    requests = tuple(
        (Message("user", WORDS[kind].format(f"w{generator.integers(0, 10**6)}")),) for kind in which
    )
    hidden = generator.normal(size=(num, 6))
    gain = np.array([0.2, -0.1, 0.0])[which] + told * 0.25 * hidden[:, 0] + generator.normal(0, 0.1, num)
    alpaca = np.clip(0.5 + 0.1 * hidden[:, 1], 0, 1)
    llama = np.clip(alpaca + gain, 0, 1)
    plain = np.column_stack(
        [generator.random((num, 3)), np.log1p([len(r[0].content) for r in requests]), np.ones(num)]
    )
    return Evidence(
        requests,
        tuple(KINDS[kind] for kind in which),
        np.array([length_of(request) for request in requests]),
        np.hstack([hidden, plain]),
        np.column_stack([alpaca, llama]),
        np.full(num, 0.001),
        np.column_stack([generator.uniform(0.01, 0.02, num), generator.uniform(0.03, 0.06, num)]),
    )
