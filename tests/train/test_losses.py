import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from camelid.text.batches import IGNORE
from camelid.train import losses

CLOSE = {"atol": 1e-5, "rtol": 1e-4}


def _draw(seed, num, width=8, vocab=11, ignored=0.3):
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(num, width, generator=generator).requires_grad_()
    head = torch.randn(vocab, width, generator=generator).requires_grad_()
    targets = torch.randint(0, vocab, (num,), generator=generator)
    targets[torch.rand(num, generator=generator) < ignored] = IGNORE
    return hidden, head, targets


def _gradients(loss, *tensors):
    return torch.autograd.grad(loss, tensors)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), num=st.integers(1, 50), chunk=st.integers(1, 60))
def test_chunked_cross_entropy_is_the_whole_one_with_its_gradients(seed, num, chunk):
    hidden, head, targets = _draw(seed, num)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(losses, "CHUNK_TOKENS", chunk)
        ours = losses.cross_entropy(hidden, head, targets)
        found = _gradients(3 * ours, hidden, head)
    whole = F.cross_entropy(hidden @ head.T, targets, ignore_index=IGNORE, reduction="sum")
    torch.testing.assert_close(ours, whole, **CLOSE)
    for mine, theirs in zip(found, _gradients(3 * whole, hidden, head), strict=True):
        torch.testing.assert_close(mine, theirs, **CLOSE)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 999),
    alpha=st.sampled_from([0.0, 0.3, 1.0]),
    temperature=st.sampled_from([1.0, 2.5]),
)
def test_distillation_is_its_formula_with_its_gradients(seed, alpha, temperature):
    hidden, head, targets = _draw(seed, 13)
    teacher_hidden, teacher_head, _ = _draw(seed + 1, 13, width=5)
    loss, plain = losses.distillation(
        hidden, head, targets, teacher_hidden, teacher_head, alpha=alpha, temperature=temperature
    )
    logits, counted = hidden @ head.T, targets != IGNORE
    cross = F.cross_entropy(logits, targets, ignore_index=IGNORE, reduction="sum")
    gap = F.kl_div(
        F.log_softmax(logits / temperature, dim=1)[counted],
        F.softmax(teacher_hidden @ teacher_head.T / temperature, dim=1)[counted].detach(),
        reduction="sum",
    )
    whole = (1 - alpha) * cross + alpha * temperature**2 * gap
    torch.testing.assert_close(loss, whole, **CLOSE)
    torch.testing.assert_close(plain, cross.detach(), **CLOSE)
    for mine, theirs in zip(_gradients(loss, hidden, head), _gradients(whole, hidden, head), strict=True):
        torch.testing.assert_close(mine, theirs, **CLOSE)


def test_a_student_that_is_its_teacher_has_nothing_to_learn():
    hidden, head, targets = _draw(1, 9, ignored=0)
    loss, _ = losses.distillation(
        hidden, head, targets, hidden.detach(), head.detach(), alpha=1.0, temperature=2.0
    )
    assert loss.item() == pytest.approx(0, abs=1e-5)
    for gradient in _gradients(loss, hidden, head):
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), **CLOSE)


def test_nothing_counted_is_a_loss_of_nothing():
    hidden, head, targets = _draw(1, 9, ignored=1)
    loss = losses.cross_entropy(hidden, head, targets)
    assert loss.item() == 0
    assert all(not gradient.any() for gradient in _gradients(loss, hidden, head))


def test_a_detached_head_gets_no_gradient():
    hidden, head, targets = _draw(2, 9)
    losses.cross_entropy(hidden, head.detach(), targets).backward()
    assert hidden.grad is not None and head.grad is None
