"""Laws of learning from prompt texts alone."""

import numpy as np

from camelid.route import prompts as module
from camelid.route.prompts import learn_prompts
from camelid.route.shape import shape_of


def make(num=240, seed=0):
    """Return two makes of questions: sums, at which the Llama is better, and capitals, which both know."""
    generator = np.random.default_rng(seed)
    sums = generator.random(num) < 0.5
    prompts = [
        f"What is {a} + {b}?\nA. {a}\nB. {a + b}\nC. {b}\nD. 7\nAnswer:"
        if one
        else f"The capital of land {a} is called\nA. Lima\nB. Oslo\nC. Rome\nD. Bonn\nAnswer:"
        for one, a, b in zip(sums, *generator.integers(10, 99, (2, num)), strict=True)
    ]
    alpaca = (generator.random(num) < np.where(sums, 0.3, 0.9)).astype(float)
    llama = (generator.random(num) < 0.9).astype(float)
    return prompts, alpaca, llama, sums


def test_the_gain_is_found_in_the_text():
    prompts, alpaca, llama, _ = make()
    others, _, _, sums = make(100, seed=1)
    gains = learn_prompts(prompts, alpaca, llama).predict(others)
    assert gains[sums].min() > gains[~sums].max()
    assert 0.4 < gains[sums].mean() < 0.8 and abs(gains[~sums].mean()) < 0.2


def test_a_prompt_is_judged_alike_alone_and_among_others(monkeypatch):
    prompts, alpaca, llama, _ = make(80)
    learnt = learn_prompts(prompts, alpaca, llama)
    whole = learnt.predict(prompts[:30])
    monkeypatch.setattr(module, "_ROWS", 7)
    assert np.allclose(learnt.predict(prompts[:30]), whole, atol=1e-5)
    assert np.allclose(learnt.predict([prompts[3]]), whole[3], atol=1e-5)
    assert learnt.predict([]).shape == (0,)


def test_left_out_is_what_a_fit_without_it_says():
    generator = np.random.default_rng(4)
    points = generator.normal(size=(30, 3))
    alike = module._gauss(points, points, 0.3)
    wanted = generator.normal(size=(30, 2))
    _, left_out = module._ridge(alike, wanted, 2.0)
    others = np.arange(30) != 5
    weights, _ = module._ridge(alike[np.ix_(others, others)], wanted[others], 2.0)
    assert np.allclose(alike[5, others] @ weights, left_out[5])


def test_any_text_has_a_shape():
    shapes = shape_of(
        ["", "A. \nB. ", "?", "x" * 10_000, "∀x Statement 1 | True\nA. True, True\nB. $\\frac12$"]
    )
    assert np.isfinite(shapes).all() and len(shapes) == 5
    prompts = ["", "same", "same", " "]
    assert np.isfinite(learn_prompts(prompts, np.zeros(4), np.ones(4)).predict(["", "new"])).all()
