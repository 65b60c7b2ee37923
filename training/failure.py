"""The error with which a training ends itself."""


class TrainingFailed(Exception):
    """Training cannot go on; the message is one line: what happened, where, and what to try."""
