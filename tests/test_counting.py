"""Counting costs without computing: closed forms on one convolution, and memory that comes and goes."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F

from benchmarks.counting import counted
from benchmarks.planning import CARDS, with_tables


def fake_layer():
    with FakeTensorMode():
        return torch.rand(2, 3, 16, 16), torch.rand(8, 3, 3, 3)


def test_a_convolution_costs_two_operations_a_product_and_each_map_once():
    image, weight = fake_layer()
    costs = counted(lambda: F.conv2d(image, weight, padding=1), [image, weight])
    assert costs.flop == 2 * (2 * 8 * 16 * 16) * (3 * 3 * 3)
    read_and_written = 4 * (image.numel() + weight.numel() + 2 * 8 * 16 * 16)
    assert costs.moved == costs.peak == read_and_written


def test_the_peak_is_what_is_alive_together():
    image, _ = fake_layer()

    def work():
        for _ in range(5):
            image + 1  # noqa: B018 made and dropped

    one = 4 * image.numel()
    costs = counted(work, [image])
    assert (costs.peak, costs.live) == (2 * one, one)


def test_views_are_free():
    image, _ = fake_layer()
    costs = counted(lambda: image[:, :2].transpose(2, 3), [image])
    assert costs.moved == 0 and costs.peak == 4 * image.numel()


@pytest.mark.parametrize(("flop_rate", "bandwidth", "bound"), [(1e3, 1e12, "flop"), (1e18, 1e3, "moved")])
def test_an_operation_waits_for_the_slower_of_arithmetic_and_memory(flop_rate, bandwidth, bound):
    image, weight = fake_layer()
    costs = counted(lambda: F.conv2d(image, weight), [image, weight])
    expected = costs.flop / flop_rate if bound == "flop" else costs.moved / bandwidth
    assert costs.seconds(flop_rate, bandwidth) == pytest.approx(expected)
    assert CARDS[0].seconds(costs, "bf16") < CARDS[0].seconds(costs, "fp32") * 1.001


def test_tables_are_put_between_their_marks():
    page = "a\n<!-- one -->\nold\n<!-- end -->\nb\n<!-- two -->\n<!-- end -->\n"
    filled = with_tables(page, {"one": "| x |", "two": "| y |"})
    assert filled == "a\n<!-- one -->\n| x |\n<!-- end -->\nb\n<!-- two -->\n| y |\n<!-- end -->\n"
