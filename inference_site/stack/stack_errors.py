"""Errors of the stack; a message tells the operator what to do."""


class StackError(Exception):
    """The stack could not be started or stopped."""


class StartError(StackError):
    """A process ended or did not answer before it was ready."""


class AlreadyRunningError(StackError):
    """Another supervisor holds the run directory."""
