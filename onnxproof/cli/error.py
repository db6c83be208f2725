"""What a command cannot do."""


class CommandError(Exception):
    """Why a command cannot run, in one line; the exit status is 2."""
