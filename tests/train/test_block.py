import pytest
import torch

from camelid.model.config import shape_from_depth
from camelid.model.decoder import Block, attention_mask, plain_block, rope_tables
from camelid.model.rope import rope_frequencies
from camelid.train import attention
from camelid.train import block as training


def _setting(time, *, kv_heads, with_mask):
    config = shape_from_depth(
        2, vocab_size=9, context=time, hidden_size=256, num_key_value_heads=kv_heads, intermediate_size=96
    )
    generator = torch.Generator().manual_seed(0)
    layer = Block(config)
    for weight in layer.parameters():
        torch.nn.init.normal_(weight, std=0.2, generator=generator)
    x = torch.randn(2, time, 256, generator=generator).requires_grad_()
    positions = torch.arange(time).expand(2, time)
    cos, sin = rope_tables(torch.from_numpy(rope_frequencies(config)), positions, torch.float32)
    segments = (torch.arange(time) // 7 + 1).expand(2, time) if with_mask else None
    return layer, x, cos, sin, attention_mask(time, 0, segments, x)


@pytest.mark.parametrize("with_mask", [False, True])
@pytest.mark.parametrize(
    ("time", "kv_heads"), [(1, 2), (63, 1), (64, 4), (100, 2), (attention.TILE * attention.MAX_TILES + 1, 2)]
)
def test_the_training_form_of_a_layer_is_the_layer_with_its_gradients(time, kv_heads, with_mask):
    layer, x, cos, sin, mask = _setting(time, kv_heads=kv_heads, with_mask=with_mask)
    results = []
    for run in (plain_block, training.run_block):
        out = run(layer, x, cos, sin, mask)
        weights = [x, *layer.parameters()]
        results.append([out, *torch.autograd.grad((out * out.detach().cos()).sum(), weights)])
    for mine, theirs in zip(*results, strict=True):
        scale = theirs.abs().max().clamp(min=1)
        torch.testing.assert_close(mine / scale, theirs / scale, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("with_mask", [False, True])
def test_attention_keeps_the_promises_of_an_operation_that_torch_may_compile(with_mask):
    q = torch.randn(4, 2, 70, 8).requires_grad_()
    k, v = (torch.randn(4, 70, 8).requires_grad_() for _ in range(2))
    mask = torch.zeros(2, 1, 70, 70).masked_fill_(torch.ones(70, 70).triu(1) > 0, -torch.inf)
    torch.library.opcheck(attention._attend, (q, k, v, mask if with_mask else None))
