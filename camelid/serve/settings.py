"""How a server is run: one checked dataclass, that travels to workers as JSON."""

import dataclasses
import ipaddress
import json
import re
from dataclasses import dataclass, field
from typing import Any

from camelid.errors import RecipeError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class ServeSettings:
    """What `camelid serve` was told.

    folder: a pair's or a model's. adapters: folders of adapters, by the names that requests ask for.
    backend, weights, threads: as `load_model` takes them, "" and 0 for its own choice. speculate: let the
        Alpaca guess for the Llama.
    max_running: replies that the engines work at together. max_queue: requests that may wait beside them;
        further ones are refused with 429. max_n: replies to one request. max_body_bytes: of a request.
    read_s: how long a request may take to arrive whole. write_s: how long a reader may take nothing of a
        stream before it is given up. keep_alive_s: of an idle connection. drain_s: how long requests in
        flight may go on after a SIGTERM.
    temperature: of requests that name none; 0 takes the likeliest token.
    key_hashes: SHA-256 in hexadecimal of the keys that open the door; none leaves it open.
    origins: whose pages may call from a browser (CORS). log_requests: write a line for each request.
    log_prompts: write what was said into it.
    votes: a file for the page's votes; "" for none.
    any_host: answer whatever name a request calls this server by.
    """

    folder: str
    adapters: dict[str, str] = field(default_factory=dict)
    backend: str = "auto"
    weights: str = ""
    threads: int = 0
    speculate: bool = True
    max_running: int = 64
    max_queue: int = 256
    max_n: int = 16
    max_body_bytes: int = 4 << 20
    read_s: float = 20.0
    write_s: float = 60.0
    keep_alive_s: float = 30.0
    drain_s: float = 30.0
    temperature: float = 0.0
    key_hashes: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    log_prompts: bool = False
    log_requests: bool = True
    votes: str = ""
    any_host: bool = True

    def __post_init__(self) -> None:
        """Raises RecipeError for a number out of its range, or a name that nobody could ask for."""
        for name in self.adapters:
            if not _NAME.fullmatch(name):
                raise RecipeError(
                    f"An adapter's name is of letters, digits and . _ - without blanks; found {name!r}."
                )
        for name in ("max_running", "max_n", "max_body_bytes", "read_s", "write_s", "keep_alive_s"):
            if getattr(self, name) <= 0:
                raise RecipeError(f"{name} must be above 0; found {getattr(self, name)}.")
        for name in ("max_queue", "threads", "temperature", "drain_s"):
            if getattr(self, name) < 0:
                raise RecipeError(f"{name} must be 0 or more; found {getattr(self, name)}.")

    @property
    def loading(self) -> dict[str, Any]:
        """Return the options for `load_model`."""
        return {
            "backend": self.backend,
            "weights": self.weights or None,
            "threads": self.threads or None,
            "adapters": self.adapters,
        }

    def to_json(self) -> str:
        """Return the settings as one line."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, line: str) -> "ServeSettings":
        """Return the settings that `to_json` wrote."""
        table: dict[str, Any] = json.loads(line)
        lists = {key: tuple(value) for key, value in table.items() if isinstance(value, list)}
        return cls(**{**table, **lists})


def is_public(host: str) -> bool:
    """Tell whether other machines can reach a server that listens on this host."""
    if host in ("", "localhost"):
        return host == ""
    try:
        return not ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return True
