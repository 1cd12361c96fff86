"""The settings for a command, their faults as sentences."""

from pydantic import ValidationError

from cli.errors import ConfigurationError
from core.config import Settings


def load_settings(**overrides: object) -> Settings:
    """The settings; an override that is not None wins. Raises ``ConfigurationError``, one line a fault."""
    try:
        given = {name: value for name, value in overrides.items() if value is not None}
        return Settings(**given)  # type: ignore[arg-type]  # pydantic checks them
    except ValidationError as error:
        faults = (
            f"{str(fault['loc'][0]).upper()}: {fault['msg']} (it is {fault['input']!r})." for fault in error.errors()
        )
        raise ConfigurationError("\n".join((*faults, "Change it in the environment or in .env."))) from error
