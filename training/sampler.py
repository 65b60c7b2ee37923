"""Which samples make which batch: a pure function of seed, batch number and rank, so that any batch can be the next."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from training.settings import PhaseSettings
from utils.distributed import rank, world_size
from utils.errors import InputError

ECHO_LAG = 8
"""Steps' batches that are read between two uses of the same ones."""

SampleKey = tuple[int, int]
"""(epoch, position in the list): what makes a sample, random draws included."""


class ResumableBatchSampler(Sampler[list[SampleKey]]):
    """Batches of sample keys, from any step of the optimiser to the last of the last epoch.

    Every epoch is a new permutation, cut into global batches; each rank takes its slice of every one of them, so that
    N ranks with batches of b see what one process with batches of N b sees. The rest of an epoch that fills no global
    batch is left out.

    Where reading is slower than learning, every step's batches can be used several times (data echoing, Choi et al.
    2019): one step in `echo` learns from batches just read, the others from what was read up to `echo - 1` times
    ECHO_LAG readings before. The batches here are those that are read.

    Args:
        samples: of the data set.
        options: `batch_size` per rank, `accumulate` batches per step of the optimiser, `epochs` after which the batches
            end, `echo` steps that learn from each batch.
        seed: of the permutations.
        first_step: number of the optimiser's step to start with.

    Raises:
        InputError: fewer samples than one step takes.
    """

    def __init__(self, samples: int, options: PhaseSettings, seed: int, first_step: int = 0) -> None:
        self.batch_size, self.accumulate, self.echo = options.batch_size, options.accumulate, options.echo
        self.seed = seed
        self.samples, self.first_step = samples, first_step
        self.per_step = self.batch_size * self.accumulate * world_size()
        self.readings_per_epoch = samples // self.per_step
        self.steps_per_epoch = self.echo * self.readings_per_epoch
        self.steps = options.epochs * self.steps_per_epoch
        if self.steps_per_epoch == 0:
            raise InputError(f"{samples} training samples, expected at least {self.per_step}: what one step takes")

    @property
    def kept(self) -> int:
        """Batches that are held at once."""
        return self.accumulate * self.readings_kept

    @property
    def readings_kept(self) -> int:
        """The same in readings: what one step takes."""
        return (self.echo - 1) * ECHO_LAG + 1

    @property
    def readings(self) -> range:
        """The steps' batches that are read, by number: for a run that goes on, from those that it still uses."""
        return range(max(self.first_step // self.echo - self.readings_kept + 1, 0), self.steps // self.echo)

    def reading_of(self, step: int) -> int:
        """The number of the batches that a step learns from."""
        newest, again = divmod(step, self.echo)
        # In the beginning, when nothing is that old, others.
        return (newest - again * ECHO_LAG) % (newest + 1)

    def __len__(self) -> int:
        return len(self.readings) * self.accumulate

    def __iter__(self) -> Iterator[list[SampleKey]]:
        permutation, current = np.empty(0, np.int64), None
        for reading in self.readings:
            epoch, within = divmod(reading, self.readings_per_epoch)
            if epoch != current:
                permutation, current = np.random.default_rng((self.seed, epoch)).permutation(self.samples), epoch
            for part in range(self.accumulate):
                start = within * self.per_step + (part * world_size() + rank()) * self.batch_size
                yield [(epoch, int(position)) for position in permutation[start : start + self.batch_size]]
