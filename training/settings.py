"""Everything a training config can say, as types."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from datasets.pairs.augmentation import AugmentationConfig
from geometry.coarse_grid import COARSE_STRIDE, COLUMN_STEP
from losses.terms import LossWeights
from models.build import ModelConfig
from models.refiner import RECEPTIVE_MARGIN
from utils.choices import Precision
from utils.distributed import world_size
from utils.errors import shown

LARGEST = 10**9
"""Of any number: what is larger is a mistake, and overflows."""


MOST_WORKERS = 512
"""Processes; more bring a machine down before they read anything."""


def _refuse_below(settings: object, **least: float) -> None:
    """Raises ValueError that names a field which is less than its limit, not finite or absurdly large."""
    for name, limit in least.items():
        value = getattr(settings, name)
        if not limit <= value < math.inf:
            raise ValueError(f"{name} is {value}, expected {limit:g} or more")
        if value > LARGEST:
            raise ValueError(f"{name} is {shown(value)}, expected at most {LARGEST}")


@dataclass(frozen=True)
class DataSettings:
    """Which pairs train, which validate."""

    train: tuple[str, ...]  # names of files under list/, without .txt
    validation: tuple[str, ...]
    workers: int = 2  # processes that read and augment; 0 works in the training process
    validation_samples: int = 200  # at most, evenly spread over the lists

    def __post_init__(self) -> None:
        _refuse_below(self, workers=0, validation_samples=1)
        if self.workers > MOST_WORKERS:
            raise ValueError(f"workers is {self.workers}, expected at most {MOST_WORKERS}")
        for name in ("train", "validation"):
            if not getattr(self, name):
                raise ValueError(f"data.{name} is empty, expected names of lists under list/")


@dataclass(frozen=True)
class PhaseSettings:
    """How one phase is optimised."""

    epochs: int
    batch_size: int = 2  # per process and backward pass
    accumulate: int = 1  # batches per step of the optimiser
    echo: int = 1  # steps that learn from each batch that was read: for devices that are faster than their readers
    learning_rate: float = 1e-4
    schedule: Literal["restarts", "cosine"] = "restarts"  # training.schedule
    precision: Precision = "fp32"  # of convolutions; weights and losses stay fp32 (utils.device)
    clip_norm: float = 0.0  # gradients are scaled down to this norm; 0 leaves them
    fixed_statistics: float = 0.0  # the last fraction of the run, in which BatchNorm takes its running statistics
    networks: Literal["all", "coarse", "parts"] = "all"  # phase 1: one half alone; "coarse" in a fraction of the time

    def __post_init__(self) -> None:
        _refuse_below(self, epochs=1, batch_size=1, accumulate=1, echo=1, learning_rate=0, clip_norm=0)
        if self.learning_rate == 0:
            raise ValueError("learning_rate is 0, expected more")
        if not 0 <= self.fixed_statistics <= 1:
            raise ValueError(f"fixed_statistics is {self.fixed_statistics}, expected a fraction of the run, 0 to 1")


@dataclass(frozen=True)
class ComputeSettings:
    """How the arithmetic is done. Besides rounding, sync_batchnorm, coarse_columns, refiner_* change the result; and
    compile where a refiner_window "person" comes in few shapes: BatchNorm's statistics are over more background."""

    device: str = "auto"  # "cpu", "cuda", or "auto": CUDA where there is one
    channels_last: bool = False  # memory layout: faster convolutions
    compile: bool = False  # torch.compile for every network (models.compiling)
    cuda_graphs: bool = False  # phase 1: record its passes once, for small models on a GPU (training.recorded)
    recompute: bool = False  # phase 2: keep fewer activations, and compute them again in the backward pass
    sync_batchnorm: bool = False  # statistics over the batches of all processes
    timeout_minutes: float = 10.0  # that a process waits for the others before it takes them for lost
    coarse_columns: int = 0  # phase 1, coarse alone: columns [coarse px] around each person that are seen; 0: all
    refiner_window: Literal["canvas", "person"] = "canvas"  # "person" trains the refiner on the person's box only
    refiner_crop: int = 0  # side of random crops [px], whose inputs are kept on disk; 0: the whole refiner_window

    def __post_init__(self) -> None:
        if self.cuda_graphs and (self.compile or self.sync_batchnorm):
            other = "compile" if self.compile else "sync_batchnorm"
            raise ValueError(f"cuda_graphs and {other} are both on, expected one of them")
        _refuse_below(self, timeout_minutes=0.01, coarse_columns=0, refiner_crop=0)
        if self.coarse_columns % COLUMN_STEP:
            raise ValueError(f"coarse_columns is {self.coarse_columns}, expected a multiple of {COLUMN_STEP}")
        if self.refiner_crop % COARSE_STRIDE:
            raise ValueError(f"refiner_crop is {self.refiner_crop}, expected a multiple of {COARSE_STRIDE}")


@dataclass(frozen=True)
class RunSettings:
    """What is written when, and when training gives up."""

    seed: int = 0
    log_steps: int = 10  # between lines of metrics.jsonl
    save_minutes: float = 10.0  # between checkpoints within an epoch
    panels: int = 4  # people in each validation picture
    dead_after: int = 300  # steps after which a normal network must say more than a constant
    non_finite_limit: int = 10  # steps in a row without a finite loss and gradient before training stops

    def __post_init__(self) -> None:
        _refuse_below(self, seed=0, log_steps=1, save_minutes=0, panels=0, dead_after=1, non_finite_limit=1)


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

    def __post_init__(self) -> None:
        largest = self.model.canvas - 2 * RECEPTIVE_MARGIN
        if self.compute.refiner_crop > largest:
            raise ValueError(f"compute.refiner_crop is {self.compute.refiner_crop}, expected at most {largest}")
        if self.compute.cuda_graphs and self.phase1.precision == "fp16":
            raise ValueError("phase1.precision is fp16 with compute.cuda_graphs, expected bf16, tf32 or fp32")
        self._refuse_single_pixels()

    def _refuse_single_pixels(self) -> None:
        """Raises ValueError where BatchNorm would have one number of a channel: no spread, nothing to learn from."""
        phase, model = self.phase1, self.model
        people = phase.batch_size * (world_size() if self.compute.sync_batchnorm else 1)
        if phase.fixed_statistics == 1 or phase.networks == "parts":  # crops are larger than coarse maps
            return
        for name, widths in (("normal_widths", model.normal_widths), ("depth_widths", model.depth_widths)):
            side = model.canvas // COARSE_STRIDE // 2 ** (len(widths) - 1)
            if people * side**2 < 2:
                raise ValueError(
                    f"phase1.batch_size is 1, and the smallest maps of model.{name} at model.canvas {model.canvas} have"
                    " one pixel, expected a batch_size of 2 or more, a larger canvas or fewer widths"
                )

    def phase(self, number: int) -> PhaseSettings:
        """Of phase 1 or 2."""
        return self.phase1 if number == 1 else self.phase2
