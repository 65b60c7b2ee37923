"""The training of one phase, to be read aloud: read, step, guard, report, save."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from models.fast import accelerate
from training import ranks
from training.guards import Guards
from training.opening import Opened, opened
from training.panels import Panels
from training.reading import LeftOut, loader_of, reading
from training.reports import Reports
from training.run import Run
from training.saving import save_best, save_last
from training.schedule import has_fixed_statistics, learning_rate
from training.signals import StopRequest
from training.validation import validate
from utils.distributed import is_main


@dataclass(frozen=True)
class Ended:
    """How a run ended, with everything saved."""

    step: int
    is_finished: bool  # otherwise it was asked to stop
    signal: int | None  # by which this process was asked


def train(run: Run) -> Ended:
    """Train to the end, or until somebody asks to stop.

    Raises:
        InputError: data, checkpoint or folder cannot be used; too many samples cannot; the processes disagree.
        TrainingFailed: it makes no sense to go on.
    """
    options, every, stop, stopped = run.options, run.settings.run, StopRequest(), False
    with (
        opened(run) as it,
        Reports(run.folder, it.progress.step, is_main()) as reports,
        reading(loader_of(run, it.data.train, it.order)) as batches,
        tqdm(total=it.order.steps, initial=it.progress.step, desc=f"phase {run.phase}", disable=not is_main()) as bar,
    ):
        learner, progress, order = it.learner, it.progress, it.order
        left_out, guards = LeftOut(it.data.left_out, len(it.data.train)), Guards(every, run.phase, progress.skipped)
        last_save = time.monotonic()
        while progress.step < order.steps and not stopped:
            # Read what one step of the optimiser takes.
            started = time.monotonic()
            taken = [next(batches) for _ in range(options.accumulate)]
            loaded = time.monotonic()

            # Step.
            rate = learning_rate(options, progress.step, order.steps_per_epoch)
            learner.phase.train(has_fixed_statistics(options, progress.step, order.steps_per_epoch))
            result = learner.gradients(taken)
            update = learner.update(result.terms, rate)
            progress.step += 1
            progress.skipped += not update.is_finite
            stopped = ranks.any_of(stop.asked, it.device)

            # Guard: not finite again and again, normals that are the same everywhere.
            guards.check(progress.step, update.is_finite, result, learner.parameters)

            # Report.
            times = {"data_seconds": loaded - started, "step_seconds": time.monotonic() - loaded}
            left_out.note(taken)
            if progress.step % every.log_steps == 0 or progress.step == order.steps:
                left_out.exchange()
                epochs = progress.step / order.steps_per_epoch
                state = {"epoch": epochs, "learning_rate": rate, "gradient_norm": update.gradient_norm}
                counts = {"skipped": progress.skipped}
                reports.add("train", progress.step, {"loss": update.loss} | update.terms | state | counts | times)
            bar.update()
            bar.set_postfix({"loss": f"{update.loss:.3f}"} | {k[:4]: f"{v:.2f}s" for k, v in times.items()})

            # Measure after every epoch, and save.
            epoch, within = divmod(progress.step, order.steps_per_epoch)
            if within == 0:
                _measure(run, it, reports, epoch)
            if within == 0 or stopped or time.monotonic() - last_save > 60 * every.save_minutes:
                save_last(run, it)
                last_save = time.monotonic()
    return Ended(progress.step, progress.step == order.steps, stop.signal)


def _measure(run: Run, it: Opened, reports: Reports, epoch: int) -> None:
    """How good the model is after an epoch; the best one is kept."""
    panels = Panels(run.settings.run.panels if is_main() else 0)
    model, learns = accelerate(it.learner.model), it.learner.phase.learns
    means = validate(run, model, it.data.validation, device=it.device, learns=learns, show=panels.add)
    reports.add("validation", it.progress.step, {"epoch": epoch} | means)
    if panels.rows:
        reports.picture(it.progress.step, epoch, panels.sheet())
    if is_main():
        known = ("loss", *(name for name in means if name.endswith(("_deg", "_mm", "_percent"))))
        tqdm.write(f"epoch {epoch}: " + ", ".join(f"{name} {means[name]:.4g}" for name in known))
    if np.isfinite(means["loss"]) and means["loss"] < it.progress.best:
        it.progress.best = means["loss"]
        save_best(run, it)
