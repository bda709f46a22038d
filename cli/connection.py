"""From a command's options to the API. Apart from cli/api.py, which loads the HTTP library."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cli.api import Api


def connect(url: str | None, key: str | None, sign_in: str | None) -> "Api":
    """The API that the options name, or the local one. Close it after use.

    Raises:
        CommandError: as `cli.access.find`.
    """
    from cli.access import find
    from cli.api import Api

    return Api(find(url, key, sign_in))
