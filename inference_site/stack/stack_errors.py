"""What can go wrong while the stack starts, in words an operator can act on."""


class StackError(Exception):
    """The stack could not be started or stopped; the message says what to do."""


class StartError(StackError):
    """A process ended, or stayed silent, before it was ready."""


class AlreadyRunningError(StackError):
    """Another supervisor holds this run directory."""
