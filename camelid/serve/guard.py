"""What stands before every path: the keys that open it."""

import contextlib
import hashlib
import hmac
import ipaddress
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from camelid.errors import RequestError
from camelid.serve.refusals import Refusal, error_response
from camelid.serve.settings import ServeSettings
from camelid.serve.wire import header

_HASHED = "sha256:"


class Guard:
    """Lets in whoever has a key, where there are keys, and no other site's pages unless they were named.

    Open without a key are /health and what a browser must fetch before it can ask for one: the page's own
    files, at "/" and below "/page/". Without keys, on this machine alone, a request must also name this
    machine, so that no site can point a name of its own here (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, *, settings: ServeSettings) -> None:
        self._app = app
        self._hashes = [bytes.fromhex(digest) for digest in settings.key_hashes]
        self._origins = settings.origins
        self._any_host = settings.any_host or bool(self._hashes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        refusal = self._check(scope) if scope["type"] == "http" else None
        if refusal:
            await error_response(refusal, scope["path"])(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> Refusal | None:
        origin, host = header(scope, b"origin"), header(scope, b"host")
        if origin and urlsplit(origin).netloc != host and not {origin, "*"} & set(self._origins):
            return Refusal(
                f"Pages from {origin} may not call this server. Start it with --cors {origin}.", status=403
            )
        if not self._any_host and not _is_this_machine(host):
            return Refusal(
                f"This server answers as localhost only; found the host {host!r}. Start it with an "
                "--api-key, or with --insecure.",
                status=403,
            )
        key = _read_key(scope)
        if not self._hashes or _is_open(scope) or self._knows(key):
            return None
        return Refusal(
            "This server needs an API key: Authorization: Bearer KEY, or X-Api-Key: KEY. "
            + ("The one that came is not known." if key else "None came."),
            status=401,
            code="invalid_api_key",
            headers={"WWW-Authenticate": "Bearer"},
        )

    def _knows(self, key: str) -> bool:
        digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
        return any([hmac.compare_digest(digest, known) for known in self._hashes])  # all, whichever fits


def _is_this_machine(host: str) -> bool:
    name = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
    if name.lower() in ("localhost", ""):
        return True
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(name.strip("[]"))
        return True
    return False


def _is_open(scope: Scope) -> bool:
    path: str = scope["path"]
    reading = scope["method"] in ("GET", "HEAD")
    return path == "/health" or (reading and (path == "/" or path.startswith("/page/")))


def _read_key(scope: Scope) -> str:
    scheme, _, key = header(scope, b"authorization").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else header(scope, b"x-api-key")


def hash_keys(keys: Iterable[str]) -> tuple[str, ...]:
    """Return the hashes of keys; one that begins with "sha256:" is a hash already.

    Raises RequestError for a key that is too short to be one, or a hash that is none.
    """
    return tuple(dict.fromkeys(_hash_key(key) for key in keys))


def read_keys(file: Path) -> list[str]:
    """Return the keys in a file, one a line; empty lines and those that begin with "#" are none.

    Raises RequestError when there is no such file, or no key in it.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"The keys in {file} cannot be read ({error}).") from None
    keys = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not keys:
        raise RequestError(f"{file} must hold API keys, one a line; found none.")
    return keys


def _hash_key(key: str) -> str:
    if not key.startswith(_HASHED):
        if len(key) < 8:
            raise RequestError(f"An API key must have 8 characters or more; found {len(key)}.")
        return hashlib.sha256(key.encode()).hexdigest()
    digest = key.removeprefix(_HASHED).lower()
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise RequestError(
            "A hashed API key must be sha256: and 64 hexadecimal digits; found something else."
        )
    return digest
