"""What a user reads when something is wrong: one line, whatever went wrong."""

from utils.script import ends_in_one_line

import argparse
import ast
import errno
import re
from pathlib import Path

import pytest

import app
import benchmark
import evaluate
import render
import test_model
import test_poisson
import train
from utils.errors import InputError, one_line

ROOT = Path(__file__).parents[1]


def test_every_message_is_one_printable_line_of_bounded_length():
    line = one_line(f"a.json:\r\n  \x1b[31mred\udce9 {'9' * 100_000}, expected numbers")
    assert line.startswith("a.json: \\x1b[31mred\\udce9 999") and line.endswith("999, expected numbers")
    assert line.isprintable() and len(line) < 700
    assert str(InputError("two\nlines")) == "two lines"


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (KeyboardInterrupt(), 130, "stopped by Ctrl-C"),
        (OSError(errno.ENOSPC, "full", "/a/b.png"), 1, "error: /a/b.png: No space left on device, free some space"),
        (PermissionError(errno.EROFS, "read-only", "/a"), 1, "error: /a: Read-only file system, name a folder"),
        (InputError("a.png: is empty"), 1, "error: a.png: is empty"),
        (MemoryError(), 1, "error: out of memory"),
    ],
)
def test_errors_end_a_script_in_one_line(capsys, error, code, line):
    @ends_in_one_line
    def main(argv=None):
        raise error

    assert main([]) == code
    printed = capsys.readouterr().err
    assert printed.startswith(line) and printed.count("\n") == 1


def test_a_defect_keeps_its_stack():
    @ends_in_one_line
    def main(argv=None):
        raise KeyError("ours")

    with pytest.raises(KeyError):
        main([])


class Captured(Exception):
    """Carries a parser out of the function that makes it."""


def parser_of(script, monkeypatch) -> argparse.ArgumentParser:
    def capture(parser, *_):
        raise Captured(parser)

    for method in ("parse_args", "parse_intermixed_args"):
        monkeypatch.setattr(argparse.ArgumentParser, method, capture)
    with pytest.raises(Captured) as caught:
        script.parse_args([])
    return caught.value.args[0]


def texts_of(path: Path) -> list[str]:
    """What a module may print: its strings but the docstrings; values in braces become dots."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts, parts = [], set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts |= {id(part) for part in node.values}
            texts.append("".join(part.value if isinstance(part, ast.Constant) else "..." for part in node.values))
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return texts + [node.value for node in constants if id(node) not in documents | parts]


def test_every_hint_names_an_option_and_a_choice_that_exist(monkeypatch):
    """ "try --keypoints detect" where there is no such choice sends a user in circles."""
    choices: dict[str, set[str] | None] = {}
    for script in (app, benchmark, evaluate, render, test_model, test_poisson, train):
        for action in parser_of(script, monkeypatch)._actions:
            for option in action.option_strings:
                known = choices.setdefault(option, set())
                free = action.choices is None or known is None
                choices[option] = None if free else known | {str(choice) for choice in action.choices}
    folders = ("datasets", "evaluation", "geometry", "inference", "losses", "models", "training", "utils")
    files = [*ROOT.glob("*.py"), *(path for folder in folders for path in (ROOT / folder).rglob("*.py"))]
    hints = 0
    for path in files:
        for text in texts_of(path):
            for option, words in re.findall(r"(?<![\w-])(--[a-z]\w*)((?:(?: |, | or )[\w.-]+)*)", text):
                assert option in choices, f"{path}: {text!r}: there is no option {option}"
                hints += 1
                if choices[option] and words.startswith(" ") and not words.startswith(" or "):
                    word = words.split()[0].rstrip(",.")
                    assert not word or word in choices[option], (
                        f"{path}: {text!r}: {option} knows {sorted(choices[option])}"
                    )
                    listed = re.findall(r", ([\w-]+)(?= or)| or ([\w-]+)", words) if " or " in words else []
                    for other in (a or b for a, b in listed):
                        assert other in choices[option], f"{path}: {text!r}: {option} knows {sorted(choices[option])}"
    assert hints > 40
