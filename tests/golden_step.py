"""A training step against the authors' numbers (METHOD.md 7 and 12)."""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from tests.golden import DATA
from training.steps import BatchResult
from utils.official_names import layer_names

KINDS = {"N": ("normals",), "D": ("depth",), "C": ("consistency",)}
"""The three sums of the official losses, and the terms of ours that they are made of."""


def gradient_of_a_plain_limit(gradient: Tensor, above: Tensor, below: Tensor) -> Tensor:
    """Of the official heads, which end in a plain ReLU and ReLU6: nothing beyond the limits."""
    return above & below


def sums(terms: dict[str, Tensor]) -> list[float]:
    """N, D, C."""
    return [sum(float(t) for name, t in terms.items() if name.split("/")[0] in kind) for kind in KINDS.values()]


def check_step(result: BatchResult, networks: dict[str, nn.Module], phase: int, tolerance: float) -> None:
    """Loss terms, gradient norms of every network, and some gradients to a fraction of their largest value."""
    official = {ours: theirs for theirs, ours in layer_names().items()}
    with np.load(DATA / "train_step.npz") as step:
        np.testing.assert_allclose(sums(result.terms), step[f"phase{phase}.N_D_C"], rtol=1e-3)
        for name, network in networks.items():
            prefix = name if name in ("coarse_normals", "coarse_depth", "refiner") else f"part_networks.{name}"
            layers = {
                key: official[f"{prefix}.{key}"] for key, layer in network.named_modules() if hasattr(layer, "weight")
            }
            norm = nn.utils.get_total_norm([p.grad for p in network.parameters()])
            theirs = next(iter(layers.values())).split(".")[0]
            np.testing.assert_allclose(norm, step[f"phase{phase}.gradient_norm.{theirs}"], rtol=3e-3, err_msg=name)
            for key, layer in layers.items():
                wanted = f"phase{phase}.gradient.{layer}.weight"
                if wanted in step:
                    gradient = network.get_submodule(key).weight.grad
                    np.testing.assert_allclose(gradient, step[wanted], atol=tolerance * np.abs(step[wanted]).max())
