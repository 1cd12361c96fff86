"""What ends a command with one clear sentence instead of a stack trace."""

import os

from core.errors import ParascribeError


class CommandError(ParascribeError):
    """The command could not do what was asked; the message says why and what to do."""

    exit_code = 1


class ConfigurationError(CommandError):
    """The settings or the machine do not allow a start; starting again changes nothing."""

    code = "configuration"
    exit_code = os.EX_CONFIG
