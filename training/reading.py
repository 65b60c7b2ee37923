"""Batches out of the processes that read them: errors arrive as errors, and the processes end with the block."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from datasets.pairs.pair_check import refuse_above_limit
from datasets.pairs.samples import PackedSample
from datasets.pairs.training_pairs import TrainingPairs
from training import ranks
from training.refiner_crops import RefinerCrop, RefinerCrops
from training.run import Run
from training.sampler import ResumableBatchSampler, SampleKey
from training.signals import prepare_worker
from utils.device import pick_device
from utils.distributed import is_main
from utils.errors import InputError

Batch = PackedSample | RefinerCrop
Pairs = TrainingPairs | RefinerCrops
SHARED_MEMORY = Path("/dev/shm")
MOST_PREFETCHED = 4


class _ErrorsAsValues(Dataset):
    """Pairs whose InputErrors are returned: out of a worker process an exception comes as the text of its stack."""

    def __init__(self, pairs: Pairs) -> None:
        self.pairs = pairs

    def __getitem__(self, key: SampleKey) -> Batch | InputError:
        try:
            return self.pairs[key]
        except InputError as error:
            return error


def _stack(items: Sequence[Any]) -> Batch | InputError:
    """A batch, or the first error among its samples."""
    errors = [item for item in items if isinstance(item, InputError)]
    return errors[0] if errors else type(items[0]).stack(items)


def prefetched(batch_bytes: int, workers: int, kept: int = 1) -> int:
    """How many batches each worker may have ready, up to MOST_PREFETCHED: they travel in shared memory.

    Args:
        kept: batches that the training holds there.

    Raises:
        InputError: not even one each has room, as in a container with Docker's default of 64 MB.
    """
    if not workers or not SHARED_MEMORY.is_dir():
        return MOST_PREFETCHED
    free = shutil.disk_usage(SHARED_MEMORY).free
    ready = (free // batch_bytes - kept) // workers
    if ready < 1:
        raise InputError(
            f"{SHARED_MEMORY}: {free / 1e6:.0f} MB free, expected {(workers + kept) * batch_bytes / 1e6:.0f} MB for "
            f"the batches of {workers} worker processes: give the container more (Docker's shm-size or "
            "ipc), or read in the training process with --set data.workers=0"
        )
    return min(ready, MOST_PREFETCHED)


def loader_of(run: Run, pairs: Pairs, batches: Iterable[list[SampleKey]], kept: int = 1) -> DataLoader:
    """A DataLoader for `reading`: the batches of sample keys in their order, read by the run's workers.

    Args:
        kept: how many of them are held at once.

    Raises:
        InputError: too little shared memory for them (`prefetched`).
    """
    workers = run.settings.data.workers
    is_pinned = pick_device(run.settings.compute.device).type == "cuda"
    batch_bytes = run.options.batch_size * pairs.sample_bytes
    return DataLoader(
        _ErrorsAsValues(pairs),
        collate_fn=_stack,
        num_workers=workers,
        worker_init_fn=prepare_worker,
        # Copies to a GPU do not wait where the memory is page-locked.
        pin_memory=is_pinned,
        # Pinned batches have left the shared memory.
        prefetch_factor=prefetched(batch_bytes, workers, 1 if is_pinned else kept) if workers else None,
        batch_sampler=batches,
    )


@contextmanager
def reading(loader: DataLoader) -> Iterator[Iterator[Batch]]:
    """The batches of a loader; its workers end with the block, however that ends.

    Raises:
        InputError: too many samples in a row cannot be used.
    """
    batches = iter(loader)
    try:
        yield map(_checked, batches)
    finally:
        # Workers ignore the signals by which Python would end them at its exit, and a stack trace may hold `batches`.
        shut_down = getattr(batches, "_shutdown_workers", None)
        if shut_down is not None:
            shut_down()


def batches_of_steps(batches: Iterator[Batch], order: ResumableBatchSampler) -> Iterator[list[Batch]]:
    """What each step learns from, from `order.first_step` on: batches just read, or read before and kept.

    Args:
        batches: in the order of `order`.
    """
    kept: deque[list[Batch]] = deque(maxlen=order.readings_kept)
    newest = order.readings.start - 1
    for step in range(order.first_step, order.steps):
        while newest < step // order.echo:
            kept.append([next(batches) for _ in range(order.accumulate)])
            newest += 1
        yield kept[order.reading_of(step) - newest - 1]


def _checked(batch: Batch | InputError) -> Batch:
    if isinstance(batch, InputError):
        raise batch
    return batch


class LeftOut:
    """The training pairs that cannot be used: one line each, printed once for all processes.

    Args:
        known: lines that are known at the start; they are printed at once.
        total: number of training pairs.
    """

    def __init__(self, known: Sequence[str], total: int) -> None:
        self.known: dict[str, None] = {}
        self.total = total
        self.new: list[str] = []
        self._tell(known)

    def note(self, batches: Sequence[Batch]) -> None:
        """Keep the problems of batches that this process has read."""
        self.new += [problem for batch in batches for problem in batch.problems]

    def exchange(self) -> None:
        """Print the problems that any process has met since the last time.

        Raises:
            InputError: they are too many by now.
        """
        self._tell([line for lines in ranks.all_gather(self.new) for line in lines])
        self.new = []
        refuse_above_limit(list(self.known), self.total)

    def _tell(self, problems: Sequence[str]) -> None:
        fresh = [problem for problem in dict.fromkeys(problems) if problem not in self.known]
        self.known |= dict.fromkeys(fresh)
        for problem in fresh if is_main() else ():
            tqdm.write(f"LEFT OUT {problem}")
