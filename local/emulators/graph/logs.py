"""What the process writes to its output, which other users of the machine may be able to read."""

import logging

from aiohttp.http import HttpProcessingError


class _NoRequestText(logging.Filter):
    """Keeps the text of malformed requests out: aiohttp logs it whole, with the token of the caller."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, without the exception if that quotes a request."""
        if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError):
            record.exc_info = record.exc_text = None
        return True


def keep_secrets_out() -> None:
    """Keep keys and tokens of malformed requests out of the output of this process."""
    logging.getLogger("aiohttp.server").addFilter(_NoRequestText())
