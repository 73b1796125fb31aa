import pytest
import torch

from camelid.errors import CheckpointError
from camelid.model.config import shape_from_depth
from camelid.model.decoder import Decoder
from camelid.train.optimizer import Muon, Optimizer, orthogonalise


def _decoder():
    config = shape_from_depth(2, vocab_size=40, context=16, hidden_size=64)
    decoder = Decoder(config)
    decoder.initialise(torch.Generator().manual_seed(0))
    return decoder


def _move(decoder, optimizer, steps, first=0):
    for step in range(first, first + steps):
        ids = torch.randint(0, 40, (2, 16), generator=torch.Generator().manual_seed(step))
        decoder.zero_grad()
        decoder(ids).square().mean().backward()
        optimizer.step(1e-3)


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 24, 8), (2, 8, 40)])
def test_orthogonalised_matrices_turn_and_hardly_stretch(shape):
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, s, v = torch.linalg.svd(drawn, full_matrices=False)
    # Singular values far apart are what the iteration is for.
    matrices = u @ torch.diag_embed(torch.linspace(0.05, 3, s.shape[-1]).expand_as(s)) @ v
    values = torch.linalg.svdvals(orthogonalise(matrices))
    assert values.min() > 0.5 and values.max() < 1.4


def test_muon_moves_as_torchs_own_does():
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(12, 20, generator=generator)
    gradients = [torch.randn(12, 20, generator=generator) for _ in range(5)]
    ours, theirs = (torch.nn.Parameter(start.clone()) for _ in range(2))
    mine = Muon([ours], lr=0.02, weight_decay=0.1, dtype=torch.bfloat16)
    reference = torch.optim.Muon([theirs], lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for gradient in gradients:
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        mine.step()
        reference.step()
    moved = (ours - start).norm()
    assert (ours - theirs).norm() < 0.03 * moved  # both iterate in bfloat16, each in its own order


@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_a_restored_optimizer_goes_on_as_the_first_would_have(name):
    whole, cut = _decoder(), _decoder()
    settings = {"name": name, "lr": 1e-3, "weight_decay": 0.1, "dtype": torch.float32}
    first = Optimizer(whole, **settings)
    _move(whole, first, 4)
    before = Optimizer(cut, **settings)
    _move(cut, before, 2)
    after = Optimizer(cut, **settings)
    after.restore({key: value.clone() for key, value in before.tensors().items()})
    _move(cut, after, 2, first=2)
    for mine, theirs in zip(cut.parameters(), whole.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_norms_never_decay_and_every_parameter_moves():
    decoder = _decoder()
    before = {key: value.clone() for key, value in decoder.state_dict().items()}
    _move(decoder, Optimizer(decoder, name="muon", lr=1e-3, weight_decay=0.1, dtype=torch.float32), 3)
    unmoved = [key for key, value in decoder.state_dict().items() if torch.equal(value, before[key])]
    assert unmoved == []


def test_a_state_of_another_model_is_refused():
    decoder = _decoder()
    optimizer = Optimizer(decoder, name="muon", lr=1e-3, weight_decay=0.1, dtype=torch.float32)
    with pytest.raises(CheckpointError, match=r"optimizer's state has model.layers.9.*Start anew"):
        optimizer.restore({"model.layers.9.mlp.up_proj.weight|momentum": torch.zeros(2, 2)})
