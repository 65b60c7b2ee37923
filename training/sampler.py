"""Which samples make which batch: a pure function of seed, batch number and rank, so that any batch can be the next."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from utils.distributed import rank, world_size
from utils.errors import InputError

SampleKey = tuple[int, int]
"""(epoch, position in the list): what makes a sample, random draws included."""


class ResumableBatchSampler(Sampler[list[SampleKey]]):
    """Batches of sample keys, from any step of the optimiser to the last of the last epoch.

    Every epoch is a new permutation, cut into global batches; each rank takes its slice of every one of them, so that
    N ranks with batches of b see what one process with batches of N b sees. The rest of an epoch that fills no global
    batch is left out.

    Args:
        samples: of the data set.
        batch_size: per rank.
        accumulate: batches per step of the optimiser.
        epochs: after which the batches end.
        seed: of the permutations.
        first_step: number of the optimiser's step to start with.

    Raises:
        InputError: fewer samples than one step takes.
    """

    def __init__(
        self, samples: int, batch_size: int, accumulate: int, epochs: int, seed: int, first_step: int = 0
    ) -> None:
        self.batch_size, self.accumulate, self.seed = batch_size, accumulate, seed
        self.samples, self.first_step = samples, first_step
        self.per_step = batch_size * accumulate * world_size()
        self.steps_per_epoch = samples // self.per_step
        self.steps = epochs * self.steps_per_epoch
        if self.steps_per_epoch == 0:
            raise InputError(f"{samples} training samples, expected at least {self.per_step}: what one step takes")

    def __len__(self) -> int:
        return (self.steps - self.first_step) * self.accumulate

    def __iter__(self) -> Iterator[list[SampleKey]]:
        permutation, current = np.empty(0, np.int64), None
        for step in range(self.first_step, self.steps):
            epoch, within = divmod(step, self.steps_per_epoch)
            if epoch != current:
                permutation, current = np.random.default_rng((self.seed, epoch)).permutation(self.samples), epoch
            for part in range(self.accumulate):
                start = within * self.per_step + (part * world_size() + rank()) * self.batch_size
                yield [(epoch, int(position)) for position in permutation[start : start + self.batch_size]]
