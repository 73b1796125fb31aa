"""What the filters leave is what those of `transformers` leave, in the same order."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from transformers.generation.logits_process import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from camelid.generate.sampling import SamplingSettings, keep_likely, penalise

# Whole numbers, and penalties that turn none into another: rounding decides nowhere.
LOGITS = arrays.arrays(np.int8, 24, elements=st.integers(-20, 20), unique=True)


@given(LOGITS, st.sampled_from([0.5, 1.0, 1.7]), st.integers(1, 24), st.floats(0.02, 0.98),
       st.sampled_from([0.011, 0.13, 0.3]), st.sampled_from([0.83, 1.37]))  # fmt: skip
def test_the_filters_are_those_of_transformers(logits, temperature, top_k, top_p, min_p, penalty):
    scores = torch.from_numpy(logits.astype(np.float32))[None]
    prompt = [0, 5, 9]
    filters = LogitsProcessorList(
        [
            RepetitionPenaltyLogitsProcessor(penalty),
            TemperatureLogitsWarper(temperature),
            TopKLogitsWarper(top_k),
            TopPLogitsWarper(top_p),
            MinPLogitsWarper(min_p),
        ]
    )
    expected = filters(torch.tensor([prompt]), scores).softmax(-1)[0].numpy()
    settings = SamplingSettings(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    seen = np.isin(np.arange(24), prompt)
    kept, weights = keep_likely(penalise(scores[0].numpy(), seen, penalty), settings)
    found = np.zeros(24)
    found[kept] = weights / weights.sum()
    np.testing.assert_allclose(found, expected, atol=1e-6)
