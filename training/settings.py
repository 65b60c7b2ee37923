"""Everything a training config can say, as types."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from datasets.pairs.augmentation import AugmentationConfig
from losses.terms import LossWeights
from models.build import ModelConfig


@dataclass(frozen=True)
class DataSettings:
    """Which pairs train, which validate."""

    train: tuple[str, ...]  # names of files under list/, without .txt
    validation: tuple[str, ...]
    workers: int = 2  # processes that read and augment; 0 works in the training process
    validation_samples: int = 200  # at most, evenly spread over the lists


@dataclass(frozen=True)
class PhaseSettings:
    """How one phase is optimised."""

    epochs: int
    batch_size: int = 2  # per process and backward pass
    accumulate: int = 1  # batches per step of the optimiser
    learning_rate: float = 1e-4
    schedule: Literal["restarts", "cosine"] = "restarts"  # training.schedule
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"  # of convolutions; weights, heads and losses stay fp32
    clip_norm: float = 0.0  # gradients are scaled down to this norm; 0 leaves them
    fixed_statistics: float = 0.0  # the last share of the run, in which BatchNorm takes its running statistics
    networks: Literal["all", "coarse", "parts"] = "all"  # phase 1: one half alone; "coarse" in a fraction of the time

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch_size, self.accumulate) < 1:
            raise ValueError("epochs, batch_size and accumulate are expected to be at least 1")
        if not 0 <= self.fixed_statistics <= 1:
            raise ValueError(f"fixed_statistics is {self.fixed_statistics}, expected a share of the run, 0 to 1")


@dataclass(frozen=True)
class ComputeSettings:
    """How the arithmetic is done. But for rounding, only `sync_batchnorm` and `refiner_window` change the result."""

    device: str = "auto"  # "cpu", "cuda", or "auto": CUDA where there is one
    channels_last: bool = False  # memory layout: faster convolutions
    compile: bool = False  # torch.compile for every network
    recompute: bool = False  # phase 2: keep fewer activations, and compute them again on the way back
    sync_batchnorm: bool = False  # statistics over the batches of all processes
    refiner_window: Literal["canvas", "person"] = "canvas"  # "person" trains the refiner on the person's box only


@dataclass(frozen=True)
class RunSettings:
    """What is written when, and when training gives up."""

    seed: int = 0
    log_steps: int = 10  # between lines of metrics.jsonl
    save_minutes: float = 10.0  # between checkpoints within an epoch
    panels: int = 4  # people in each validation picture
    dead_after: int = 300  # steps after which a normal network must say more than a constant
    non_finite_limit: int = 10  # steps running without a finite loss and gradient before training stops


@dataclass(frozen=True)
class Settings:
    """One training config: both phases of one model."""

    model: ModelConfig
    data: DataSettings
    phase1: PhaseSettings
    phase2: PhaseSettings
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    loss: LossWeights = field(default_factory=LossWeights)
    compute: ComputeSettings = field(default_factory=ComputeSettings)
    run: RunSettings = field(default_factory=RunSettings)

    def phase(self, number: int) -> PhaseSettings:
        """Of phase 1 or 2."""
        return self.phase1 if number == 1 else self.phase2
