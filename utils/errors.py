"""The one error for what a user hands in."""


class InputError(Exception):
    """A file, flag or value of the user's that cannot be used.

    The message is one line: which file, which value, what was expected. A script prints it without a stack trace; in a
    batch the rest goes on.
    """
