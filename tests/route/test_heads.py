"""Laws of the heads: leave-one-out is what it says, and what they say is right in the mean."""

import numpy as np

from camelid.route import heads as module
from camelid.route.heads import fit_heads


def make(num=120, width=7, seed=0, noise=0.3):
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(num, width)) * generator.uniform(0.5, 3, width)
    truth = generator.normal(size=(width, 2))
    return features, features @ truth * 0.1 + generator.normal(0, noise, (num, 2))


def test_leave_one_out_is_a_fit_without_the_request(monkeypatch):
    monkeypatch.setattr(module, "_STRENGTHS", np.array([0.3]))
    monkeypatch.setattr(module, "_calibrate", lambda said, true: np.ones(2))
    features, rest = make(40, 3)
    _, left_out = fit_heads(features, rest)
    own = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-6) / np.sqrt(3)
    for row in (0, 17, 39):
        others = np.arange(40) != row
        # The centre is estimated with the penalty on the weights alone: solve for both at once.
        design = np.column_stack([np.ones(39), own[others]])
        penalty = np.diag([0, 0.3, 0.3, 0.3])
        found = np.linalg.solve(design.T @ design + penalty, design.T @ rest[others])
        assert np.allclose(np.concatenate([[1], own[row]]) @ found, left_out[row], atol=1e-6)


def test_heads_find_what_is_there_and_nothing_in_noise():
    features, rest = make(400, 7, noise=0.02)
    heads, _ = fit_heads(features, rest)
    assert np.abs(heads.predict(features) - rest).mean() < 0.03
    noise = np.random.default_rng(5).normal(size=(400, 2))
    blind, _ = fit_heads(features, noise)
    assert np.abs(blind.predict(features) - noise.mean(axis=0)).max() < 0.5


def test_heads_are_right_in_the_mean_on_new_requests():
    features, rest = make(800, 7)
    heads, _ = fit_heads(features[:400], rest[:400])
    said = heads.predict(features[400:])
    slope = [np.polyfit(said[:, head], rest[400:, head], 1)[0] for head in range(2)]
    assert all(0.8 < value < 1.25 for value in slope)
    assert np.abs(said.mean(axis=0) - rest[400:].mean(axis=0)).max() < 0.08


def test_more_features_than_requests_are_no_trouble():
    features, rest = make(30, 90)
    heads, left_out = fit_heads(features, rest)
    assert np.isfinite(heads.predict(features)).all() and np.isfinite(left_out).all()
