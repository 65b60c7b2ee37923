"""The training of one phase: read, step, guard, report, save."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from models.fast import accelerate
from training import ranks
from training.guards import Guards
from training.opening import Training, open_training
from training.panels import Panels
from training.reading import LeftOut, batches_of_steps, loader_of, reading
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
    """Train to the end, or until a signal asks to stop.

    Raises:
        InputError: data, checkpoint or folder cannot be used; too many samples cannot; the processes disagree.
        TrainingFailed: the losses are not finite, the normals are dead, or a process is lost.
    """
    options, every, stop, stopped = run.options, run.settings.run, StopRequest(), False
    with (
        open_training(run) as training,
        Reports(run.folder, training.progress.step, is_main()) as reports,
        reading(loader_of(run, training.learnt, training.order, training.order.kept)) as batches,
        _bar(run, training) as bar,
    ):
        learner, progress, order, data = training.learner, training.progress, training.order, training.data
        left_out, guards = LeftOut(data.left_out, len(data.train)), Guards(every, run.phase, progress.skipped)
        steps, last_save = batches_of_steps(batches, order), time.monotonic()
        while progress.step < order.steps and not stopped:
            # Read what one step of the optimiser takes.
            started = time.monotonic()
            taken = next(steps)
            loaded = time.monotonic()

            # Step.
            rate = learning_rate(options, progress.step, order.steps_per_epoch)
            learner.phase.train(has_fixed_statistics(options, progress.step, order.steps_per_epoch))
            result = learner.gradients(taken)
            # Before the device is waited for: one that waits for a lost process does so for ever.
            stopped = ranks.any_of(stop.asked)
            update = learner.update(result.terms, rate)
            progress.step += 1
            progress.skipped += not update.is_finite

            # Guard: not finite again and again, normals that are the same everywhere.
            guards.check(progress.step, update.is_finite, result, learner.parameters)

            # Report.
            times = {"data_seconds": loaded - started, "step_seconds": time.monotonic() - loaded}
            left_out.note(taken)
            if progress.step % every.log_steps == 0 or progress.step == order.steps:
                left_out.exchange()
                epochs = progress.step / order.steps_per_epoch
                values = update.values | {"epoch": epochs, "learning_rate": rate, "skipped": progress.skipped} | times
                reports.add("train", progress.step, values)
            bar.update()
            bar.set_postfix({"loss": f"{update.loss:.3f}"} | {k[:4]: f"{v:.2f}s" for k, v in times.items()})

            # Measure after every epoch, and save.
            epoch, within = divmod(progress.step, order.steps_per_epoch)
            if within == 0:
                _measure(run, training, reports, epoch)
            if within == 0 or stopped or time.monotonic() - last_save > 60 * every.save_minutes:
                save_last(run, training)
                last_save = time.monotonic()
    return Ended(progress.step, progress.step == order.steps, stop.signal)


def _bar(run: Run, training: Training) -> tqdm:
    total, done = training.order.steps, training.progress.step
    return tqdm(total=total, initial=done, desc=f"phase {run.phase}", disable=not is_main())


def _measure(run: Run, training: Training, reports: Reports, epoch: int) -> None:
    """How good the model is after an epoch; the best one is kept."""
    panels = Panels(run.settings.run.panels if is_main() else 0)
    model, learns = accelerate(training.learner.model), training.learner.phase.learns
    means = validate(run, model, training.data.validation, device=training.device, learns=learns, show=panels.add)
    reports.add("validation", training.progress.step, {"epoch": epoch} | means)
    if panels.rows:
        reports.picture(training.progress.step, epoch, panels.sheet())
    if is_main():
        known = ("loss", *(name for name in means if name.endswith(("_deg", "_mm", "_percent"))))
        tqdm.write(f"epoch {epoch}: " + ", ".join(f"{name} {means[name]:.4g}" for name in known))
    if np.isfinite(means["loss"]) and means["loss"] < training.progress.best:
        training.progress.best = means["loss"]
        save_best(run, training)
