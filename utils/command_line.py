"""How the scripts print their help."""

from __future__ import annotations

import argparse
from pathlib import Path


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """The description as it is written, every option with its default where it has one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or action.default is False:
            return action.help
        return super()._get_help_string(action)


def given_path(text: str) -> Path:
    """The type of an option that is a file or folder: an empty one would be the folder where the shell stands."""
    if not text:
        raise argparse.ArgumentTypeError("it is empty, expected a path: is a variable of the shell not set?")
    return Path(text)


def positive(text: str) -> int:
    """The type of an option that is a whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}, expected a whole number from 1")
    return int(text)


def metres(text: str) -> float:
    """The type of an option that is a person's height."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.2 <= value <= 3:
        raise argparse.ArgumentTypeError(f"{text!r}, expected metres, such as 1.75")
    return value
