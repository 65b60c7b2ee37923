"""The canvas to which the paper's pixel counts belong, and what a count is on another one (METHOD.md 4)."""

PAPER_CANVAS = 2048
"""Side of the paper's square canvas [px]. Names and comments that say "at 2048" mean this one."""


def scaled(length_at_2048: float, size: int) -> float:
    """A length on the paper's canvas as a length on a size x size canvas [px]."""
    return length_at_2048 * size / PAPER_CANVAS


def scaled_count(count_at_2048: int, size: int) -> int:
    """A count of one-pixel steps on the paper's canvas as a count on a size x size canvas; at least 1."""
    return max(1, round(scaled(count_at_2048, size)))
