"""The training of one phase, from settings to a finished run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from datasets.pairs.augmentation import Augmentation
from datasets.pairs.training_pairs import Sample, TrainingPairs, read_lists, refuse_above_limit, usable_pairs
from models.build import build_digitizer
from models.fast import accelerate
from training import ranks
from training.guards import DeadNormalsGuard, NonFiniteGuard, refuse_dead_normals
from training.order import BatchOrder
from training.panels import row_of, sheet_of
from training.reports import Reports
from training.schedule import rate
from training.settings import Settings
from training.signals import StopRequest, prepare_worker
from training.state import BEST, LAST, Progress, fingerprint, load_start, resume, save_best, save_last
from training.steps import BatchResult, FirstPhase, SecondPhase, parameters_of
from training.validation import Prediction, validate
from utils.checkpoint import read_checkpoint
from utils.device import PRECISIONS
from utils.distributed import rank
from utils.errors import InputError


class Trainer:
    """One run of one phase.

    Args:
        settings: of the config file.
        phase: 1 or 2.
        root: data folder in the official layout.
        folder: where the run's files go.
        start_from: checkpoint to start from; phase 2 needs one of phase 1.
        go_on: continue the run that the folder holds, if it holds one.

    Raises:
        InputError: data, checkpoint or folder cannot be used.
    """

    def __init__(
        self, settings: Settings, phase: int, root: Path, folder: Path, start_from: Path | None, go_on: bool
    ) -> None:
        self.settings, self.phase_number, self.folder = settings, phase, folder
        self.plan, self.compute = settings.phase(phase), settings.compute
        self.continues = go_on and (folder / LAST).is_file()
        if (folder / LAST).is_file() and not go_on:
            raise InputError(f"{folder}: already holds a run, expected --resume or another --save_path")
        if phase == 2 and start_from is None and not self.continues:
            raise InputError("phase 2 starts from what phase 1 has learnt: expected --load_ckpt FILE")
        self.device = ranks.start(self.compute.device)
        self.main = rank() == 0
        self._open_data(root)
        self._open_model(start_from)

    def _open_data(self, root: Path) -> None:
        data, canvas, seed = self.settings.data, self.settings.model.canvas, self.settings.run.seed
        train, problems = usable_pairs(root, read_lists(root, data.train), canvas)
        validation, more = usable_pairs(root, read_lists(root, data.validation), canvas)
        backdrop = self.settings.model.backdrop
        thin = self.phase_number == 1 and self.plan.networks == "coarse"
        augmentation = Augmentation(self.settings.augmentation, root, backdrop, thin)
        self.training_pairs = TrainingPairs(root, train, canvas, augmentation, seed)
        self.validation_pairs = TrainingPairs(root, validation, canvas, None, seed, backdrop)
        for problem in (*problems, *more) if self.main else ():
            tqdm.write(f"LEFT OUT {problem}")
        # Lines about training samples: all that are known, and those of this process since the last exchange.
        self.problems, self.new_problems = problems, []
        self.order = BatchOrder(len(train), self.plan.batch_size, self.plan.accumulate, self.plan.epochs, seed)

    def _open_model(self, start_from: Path | None) -> None:
        settings, compute = self.settings, self.compute
        torch.manual_seed(settings.run.seed)
        source = self.folder / LAST if self.continues else start_from
        # Phase 1 carries along the refiner of a checkpoint that has one, so that phase 2 can go on with it.
        carried = source is not None and read_checkpoint(source).has_refiner
        model = build_digitizer(settings.model, refiner=self.phase_number == 2 or carried)
        if start_from is not None and not self.continues:
            load_start(start_from, model, settings)
        if compute.sync_batchnorm:
            model = ranks.synchronise_batchnorm(model, self.device)
        layout = torch.channels_last if compute.channels_last else torch.contiguous_format
        self.model = model.to(self.device, memory_format=layout)
        if self.phase_number == 1:
            trained = [p for name, p in self.model.named_parameters() if not name.startswith("refiner.")]
        else:
            trained = list(self.model.refiner.parameters())
        self.optimizer = torch.optim.Adam(trained, lr=self.plan.learning_rate)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.plan.precision == "fp16")
        self.identity = {
            "phase": self.phase_number,
            "networks": self.plan.networks,
            "training data": fingerprint(self.training_pairs.pairs),
            "samples per step": self.order.per_step,
            "seed": settings.run.seed,
        }
        self.progress = Progress()
        if self.continues:
            self.progress = resume(self.folder / LAST, self.model, self.identity, self.optimizer, self.scaler)
        self.order.first_step = self.progress.step
        self._open_phase()

    def _open_phase(self) -> None:
        """Once the weights are in place: phase 2 folds its frozen networks."""
        weights, compute = self.settings.loss, self.compute
        if self.phase_number == 1:
            self.phase = FirstPhase(self.model, weights, self._autocast, self.plan.networks)
        else:
            self.phase = SecondPhase(
                self.model,
                weights,
                self._autocast,
                compute.refiner_window,
                compute.recompute and not compute.compile,
            )
        if compute.compile:
            for network in self.phase.networks.values():
                network.compile()
        self.parameters = dict(parameters_of(self.phase.networks))
        self.buffers = [b for network in self.phase.networks.values() for b in network.buffers()]
        self.non_finite = NonFiniteGuard(self.settings.run.non_finite_limit, self.progress.skipped)
        self.dead_normals = DeadNormalsGuard(self.settings.run.dead_after)

    def _autocast(self):
        precision = PRECISIONS[self.plan.precision]
        if precision is torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=precision)

    def _scaled(self, loss: Tensor) -> Tensor:
        return self.scaler.scale(loss / self.plan.accumulate)

    def _batches(self) -> Iterator[Sample]:
        workers = self.settings.data.workers
        loader = DataLoader(
            self.training_pairs,
            batch_sampler=self.order,
            collate_fn=Sample.stack,
            num_workers=workers,
            worker_init_fn=prepare_worker,
            pin_memory=self.device.type == "cuda",
            prefetch_factor=4 if workers else None,
        )
        try:
            yield from loader
        except InputError as error:
            # A worker's error arrives with its stack as text; its last line is the message.
            raise InputError(str(error).strip().splitlines()[-1].split("InputError: ")[-1]) from None

    def run(self) -> int:
        """Train to the end, or until somebody asks to stop.

        Returns:
            0 when the run is finished, 128 + the signal's number when it was stopped (everything is saved).

        Raises:
            InputError: too many samples cannot be used.
            TrainingFailed: it makes no sense to go on.
        """
        stop = StopRequest()
        total = self.order.steps
        self.reports = Reports(self.folder, self.progress.step, self.main)
        self.last_save = time.monotonic()
        batches = self._batches()
        try:
            stopped = self._steps(batches, total, stop)
        finally:
            # Here and not by chance later: the workers ignore the signals by which Python would end them at its exit.
            batches.close()
        self.reports.close()
        ranks.stop()
        return 128 + (stop.signal or 0) if stopped and self.progress.step < total else 0

    def _steps(self, batches: Iterator[Sample], total: int, stop: StopRequest) -> bool:
        """From where the run stands to its end; True when it was stopped before."""
        run = self.settings.run
        bar = tqdm(total=total, initial=self.progress.step, desc=f"phase {self.phase_number}", disable=not self.main)
        stopped = False
        while self.progress.step < total and not stopped:
            started = time.monotonic()
            group = [next(batches) for _ in range(self.plan.accumulate)]
            loaded = time.monotonic()
            self.new_problems += [problem for sample in group for problem in sample.problems]
            values, stopped = self._step(group, stop.asked)
            done = self.progress.step
            times = {"data_seconds": loaded - started, "step_seconds": time.monotonic() - loaded}
            if done % run.log_steps == 0 or done == total:
                self._note_problems()
                self.reports.add("train", done, values | times)
            bar.update()
            bar.set_postfix({"loss": f"{values['loss']:.3f}"} | {k[:4]: f"{v:.2f}s" for k, v in times.items()})
            if done % self.order.steps_per_epoch == 0:
                self._end_epoch(done // self.order.steps_per_epoch)
            elif stopped or time.monotonic() - self.last_save > 60 * run.save_minutes:
                self._save_last()
        bar.close()
        return stopped

    def _step(self, batches: list[Sample], stop: bool) -> tuple[dict[str, float], bool]:
        """One step of the optimiser.

        Returns:
            what the log says about it; whether any process was asked to stop.
        """
        fixed = self.progress.step >= (1 - self.plan.fixed_statistics) * self.order.steps
        self.phase.train(fixed_statistics=fixed)
        self.optimizer.zero_grad(set_to_none=True)
        before = [buffer.clone() for buffer in self.buffers]
        share = rate(self.plan.schedule, self.progress.step, self.order.steps_per_epoch, self.plan.epochs)
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.learning_rate * share
        results = [self.phase.run(batch.to(self.device), self._scaled) for batch in batches]
        terms, stop = self._exchange(results, stop)
        norm = self._gradient_norm()
        self.progress.step += 1
        if torch.isfinite(norm) and all(torch.isfinite(term) for term in terms.values()):
            self.scaler.step(self.optimizer)
            self.non_finite.passed()
        else:
            # The forward pass has moved BatchNorm's statistics already, perhaps to NaN.
            for buffer, value in zip(self.buffers, before, strict=True):
                buffer.copy_(value)
            gradients = {name: parameter.grad for name, parameter in self.parameters.items()}
            self.non_finite.failed(self.progress.step, terms, gradients)
        self.scaler.update()
        self.progress.skipped = self.non_finite.skipped
        self._guard_normals(results[-1])
        values = {name: float(term) for name, term in terms.items()}
        values = {"loss": sum(values.values())} | values
        epoch = self.progress.step / self.order.steps_per_epoch
        values |= {"epoch": epoch, "learning_rate": self.plan.learning_rate * share, "gradient_norm": float(norm)}
        return values | {"skipped": self.progress.skipped}, stop

    def _exchange(self, results: list[BatchResult], stop: bool) -> tuple[dict[str, Tensor], bool]:
        """Make gradients, statistics, losses and the wish to stop the same in all processes."""
        terms = {
            name: torch.stack([result.terms[name].float() for result in results]).mean() for name in results[0].terms
        }
        wish = torch.tensor([float(stop)], device=self.device)
        gradients = [parameter.grad for parameter in self.parameters.values()]
        statistics = [buffer for buffer in self.buffers if buffer.is_floating_point()]
        ranks.average([*gradients, *statistics, *terms.values(), wish])
        return terms, bool(wish > 0)

    def _gradient_norm(self) -> Tensor:
        """Before clipping, which is done here."""
        self.scaler.unscale_(self.optimizer)
        parameters = list(self.parameters.values())
        if self.plan.clip_norm > 0:
            return torch.nn.utils.clip_grad_norm_(parameters, self.plan.clip_norm)
        return torch.nn.utils.get_total_norm([parameter.grad for parameter in parameters])

    def _guard_normals(self, result: BatchResult) -> None:
        if self.phase_number == 1:
            self.dead_normals.check(self.progress.step, result.normals)
        elif self.progress.step == 1:
            refuse_dead_normals(result.normals, "in the checkpoint of phase 1")

    def _note_problems(self) -> None:
        """Tell about samples that could not be used, once each, and refuse to go on with too many."""
        for problem in dict.fromkeys(ranks.gathered(self.new_problems)):
            if problem not in self.problems:
                self.problems.append(problem)
                if self.main:
                    tqdm.write(f"LEFT OUT {problem}")
        self.new_problems = []
        refuse_above_limit(self.problems, len(self.training_pairs))

    def _end_epoch(self, epoch: int) -> None:
        data, rows = self.settings.data, []

        def show(batch: Sample, prediction: Prediction) -> None:
            for problem in batch.problems:
                tqdm.write(f"LEFT OUT of the validation: {problem}")
            if self.main and len(rows) < self.settings.run.panels:
                rows.append(row_of(batch, prediction))

        folded = accelerate(self.model)
        means = validate(
            folded,
            self.validation_pairs,
            data.validation_samples,
            data.workers,
            self.phase_number,
            self.settings.loss,
            self.phase.learns,
            self.device,
            show,
        )
        self.reports.add("validation", self.progress.step, {"epoch": epoch} | means)
        if rows:
            self.reports.picture(self.progress.step, epoch, sheet_of(rows))
        if self.main:
            known = ("loss", *(name for name in means if name.endswith(("_deg", "_mm", "_percent"))))
            tqdm.write(f"epoch {epoch}: " + ", ".join(f"{name} {means[name]:.4g}" for name in known))
        if np.isfinite(means["loss"]) and means["loss"] < self.progress.best:
            self.progress.best = means["loss"]
            if self.main:
                save_best(self.folder / BEST, self.settings, self.model, self.identity, self.progress)
        self._save_last()

    def _save_last(self) -> None:
        self.last_save = time.monotonic()
        if self.main:
            save_last(
                self.folder / LAST,
                self.settings,
                self.model,
                self.identity,
                self.progress,
                self.optimizer,
                self.scaler,
            )
