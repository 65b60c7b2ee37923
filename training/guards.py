"""Checks that stop a training that has gone wrong; the message names the network and what to try."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from training.failure import TrainingFailed
from training.settings import RunSettings
from training.steps import BatchResult

BLACK_BELOW = 1e-3
"""Stored normals: a network whose mean is below this is dead; a person on a hundredth of the pixels gives 5e-3."""
CONSTANT_BELOW = 1e-4
"""Spread of stored normals over all pixels below which an output is constant."""
CHECK_STEPS = 100
REMEDY = (
    "try another --set run.seed, a smaller learning_rate, clip_norm 1, or a larger batch_size, and look at the inputs "
    "in the panels"
)


def refuse_dead_normals(normals: Mapping[str, Tensor], when: str) -> None:
    """Look for normals of which a component is black or the same everywhere.

    Args:
        normals: network -> (N, 6, h, w) stored normals, front and back.
        when: "after 300 steps", for the message.

    Raises:
        TrainingFailed: names the network, the side and the components.
    """
    for network, output in normals.items():
        values = output.float()
        mean, spread = values.mean((0, 2, 3)), values.amax((0, 2, 3)) - values.amin((0, 2, 3))
        black, constant = torch.stack([mean < BLACK_BELOW, spread < CONSTANT_BELOW]).tolist()
        for side, first in (("front", 0), ("back", 3)):
            dead = [axis for axis in range(3) if black[first + axis] or constant[first + axis]]
            if dead:
                fault = "black" if all(black[first + axis] for axis in dead) else "constant"
                names = ", ".join("xyz"[axis] for axis in dead)
                raise TrainingFailed(f"{network}: the {side} normals are {fault} in {names} {when}: {REMEDY}")


class DeadNormalsGuard:
    """Checks the normal networks after the first `dead_after` steps, and every CHECK_STEPS steps from there on."""

    def __init__(self, after: int) -> None:
        self.after = after

    def check(self, step: int, normals: Mapping[str, Tensor]) -> None:
        """After `step` steps; raises TrainingFailed."""
        if step >= self.after and (step - self.after) % CHECK_STEPS == 0:
            refuse_dead_normals(normals, f"after {step} steps")


class NonFiniteGuard:
    """Counts steps that were skipped because a loss or gradient was not finite; too many in a row end the training."""

    def __init__(self, limit: int, skipped: int = 0) -> None:
        self.limit = limit
        self.skipped = skipped
        self.consecutive = 0

    def passed(self) -> None:
        """A step went well."""
        self.consecutive = 0

    def failed(self, step: int, terms: Mapping[str, Tensor], gradients: Mapping[str, Tensor]) -> None:
        """A step is skipped.

        Args:
            terms: name -> loss term.
            gradients: parameter -> gradient.

        Raises:
            TrainingFailed: it was the last one allowed.
        """
        self.skipped += 1
        self.consecutive += 1
        if self.consecutive < self.limit:
            return
        where = [f"loss {name}" for name, term in terms.items() if not torch.isfinite(term).all()]
        where += sorted(
            {f"gradient of {name.split('.')[0]}" for name, g in gradients.items() if not torch.isfinite(g).all()}
        )
        raise TrainingFailed(
            f"{', '.join(where)}: not finite for {self.consecutive} steps in a row, up to step {step}: {REMEDY}"
        )


class Guards:
    """All checks that end a training which has gone wrong.

    Args:
        phase: 1 or 2.
        skipped: steps that were skipped before the run was resumed.
    """

    def __init__(self, run: RunSettings, phase: int, skipped: int) -> None:
        self.phase = phase
        self.non_finite = NonFiniteGuard(run.non_finite_limit, skipped)
        self.dead_normals = DeadNormalsGuard(run.dead_after)

    def check(self, step: int, is_finite: bool, result: BatchResult, parameters: Mapping[str, nn.Parameter]) -> None:
        """After `step` steps.

        Args:
            is_finite: whether the last one moved the weights.
            result: its terms and normals.
            parameters: trained parameters, with its gradients.

        Raises:
            TrainingFailed: training cannot go on.
        """
        if is_finite:
            self.non_finite.passed()
        else:
            gradients = {name: p.grad for name, p in parameters.items() if p.grad is not None}
            self.non_finite.failed(step, result.terms, gradients)
        if self.phase == 1:
            self.dead_normals.check(step, result.normals)
        elif step == 1:
            refuse_dead_normals(result.normals, "in the checkpoint of phase 1")
