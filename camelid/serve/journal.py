"""The log: one JSON object a line, one line a request; what was said only where it was asked for.

Through Python's logging, so that whoever embeds the application can send it elsewhere.
"""

import json
import logging
import time
from typing import IO, Any

_LOGGER = logging.getLogger("camelid.serve")


class JsonLines(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; line breaks in what was logged cannot forge another one."""
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[0]:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def write_log(stream: IO[str]) -> None:
    """Write the server's log to a stream, and uvicorn's warnings with it."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    for name, level in (("camelid.serve", logging.INFO), ("uvicorn.error", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)


def note(message: str, **fields: object) -> None:
    """Write a line with these fields."""
    _LOGGER.info(message, extra={"fields": fields})


def note_error(message: str, error: BaseException, **fields: object) -> None:
    """Write a line about an error that nobody expected, with its traceback."""
    _LOGGER.error(message, exc_info=error, extra={"fields": fields})
