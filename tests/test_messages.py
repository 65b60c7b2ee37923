"""What a user reads when something is wrong: one line, whatever went wrong."""

import errno

import pytest

from utils.errors import InputError, ends_in_one_line, one_line


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
