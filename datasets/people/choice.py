"""Which of several people in a photo is meant."""

from __future__ import annotations

import threading

import numpy as np

from datasets.people.person import NoSuchPersonError


class Wanted(threading.local):
    """Which of several people is wanted; each thread may change it for itself.

    Args:
        person: number from the left of the photo, from 1; None: the largest and most central.
    """

    def __init__(self, person: int | None) -> None:
        self.person = person


def choose_person(
    boxes: np.ndarray, size: tuple[int, int], number: int | None, name: str
) -> tuple[int, tuple[str, ...]]:
    """Which of several people is meant.

    Args:
        boxes: (K, 4) left, top, right, bottom [px].
        size: (width, height) of the photo [px].
        number: the person's number, counted from 1 at the left of the photo; None takes the largest and most central.
        name: the photo, for the message.

    Returns:
        Index of the box, and a warning when the user did not choose among several.

    Raises:
        NoSuchPersonError: there are fewer people than `number`.
    """
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    from_left = np.argsort(centre[:, 0], kind="stable")
    if number is not None:
        if not 1 <= number <= len(boxes):
            raise NoSuchPersonError(
                f"{name}: person {number} was asked for, expected 1 to {len(boxes)} (from the left)"
            )
        return int(from_left[number - 1]), ()
    away = np.linalg.norm((centre - np.array(size) / 2) / (np.array(size) / 2), axis=1) / np.sqrt(2)
    prominence = np.linalg.norm(boxes[:, 2:] - boxes[:, :2], axis=1) * (1 - 0.5 * np.minimum(away, 1.0))
    chosen = int(np.argmax(prominence))
    if len(boxes) == 1:
        return chosen, ()
    position = int(np.flatnonzero(from_left == chosen)[0]) + 1
    return chosen, (
        f"{len(boxes)} people: took number {position} from the left, the largest and most central"
        " (--person N takes another, --person all everybody)",
    )
