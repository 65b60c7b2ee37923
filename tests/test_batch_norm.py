"""BatchNorm with exact statistics: what float64 says, on maps where PyTorch's own sums are off."""

import pytest
import torch
from torch import nn

from models.batch_norm import BLOCK, BatchNorm, channel_moments

CHANNELS = 5


@pytest.mark.parametrize("height", [1, 37, 200])
def test_moments_are_those_of_float64(height):
    """Of one block, of a last block that is cut off, of many."""
    torch.manual_seed(0)
    x = (torch.randn(2, CHANNELS, height, BLOCK // 16) * 3 + 20).to(memory_format=torch.channels_last)
    mean, variance = channel_moments(x)
    wanted_variance, wanted_mean = torch.var_mean(x.double(), dim=(0, 2, 3), correction=0)
    torch.testing.assert_close(mean, wanted_mean, rtol=1e-6, atol=0)
    torch.testing.assert_close(variance, wanted_variance, rtol=1e-5, atol=0)


@pytest.mark.parametrize("side", [64, 640])
def test_outputs_gradients_and_statistics_are_those_of_float64(side):
    """Of a small map, which is PyTorch's own, and of a large one."""
    torch.manual_seed(1)
    exact = nn.BatchNorm2d(CHANNELS).double().train()
    nn.init.uniform_(exact.weight, 0.5, 2.0)
    nn.init.normal_(exact.bias)
    ours = BatchNorm(CHANNELS).train()
    ours.load_state_dict(exact.state_dict())
    x = (torch.randn(1, CHANNELS, side, side) * 3 + 2).to(memory_format=torch.channels_last)
    gradient = torch.randn_like(x)
    inputs = [x.clone().requires_grad_(), x.double().requires_grad_()]
    outputs = [ours(inputs[0]), exact(inputs[1])]
    for output in outputs:
        output.backward(gradient.to(output.dtype))
    close = dict(rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(outputs[0].double(), outputs[1], **close)
    torch.testing.assert_close(inputs[0].grad.double(), inputs[1].grad, **close)
    for name, value in exact.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name].to(value.dtype), value, **close)
    # Sums of a million products of mixed signs.
    for one, other in zip(ours.parameters(), exact.parameters(), strict=True):
        torch.testing.assert_close(one.grad.double(), other.grad, rtol=1e-3, atol=1e-2)
    assert outputs[0].is_contiguous(memory_format=torch.channels_last)


def test_the_layout_does_not_change_a_result():
    torch.manual_seed(2)
    x = torch.randn(2, CHANNELS, 300, 300)
    layers = [BatchNorm(CHANNELS).train() for _ in range(2)]
    plain, last = layers[0](x), layers[1](x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(plain, last, rtol=1e-5, atol=1e-5)
    assert layers[0].num_batches_tracked == layers[1].num_batches_tracked == 1


def test_at_test_the_running_statistics_count():
    x = torch.randn(1, CHANNELS, 300, 300).to(memory_format=torch.channels_last)
    layer = BatchNorm(CHANNELS).eval()
    torch.testing.assert_close(layer(x), x / (1 + layer.eps) ** 0.5)
    assert layer.num_batches_tracked == 0
