"""camelid serve: the pair behind one door, on the wire and on a page."""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from camelid.cli.options import OptionalFolder, choose_folder, find_model

if TYPE_CHECKING:
    from camelid.serve.settings import ServeSettings

_LIMITS, _ACCESS, _LOADING = "Limits", "Who may ask, and what is kept", "How the models are loaded"


def serve(
    folder: OptionalFolder = None,
    host: Annotated[
        str, typer.Option(help="Where to listen; 127.0.0.1 is this machine alone.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    adapter: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FOLDER",
            help="A LoRA adapter of the model, or of one of the pair's: one more model, by that name. May be "
            "given several times.",
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="So many processes, each with the models and a queue of its own.")
    ] = 1,
    temperature: Annotated[float, typer.Option(min=0, help="Of requests that name none.")] = 0.0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Write no log of requests.")] = False,
    api_key: Annotated[
        list[str] | None,
        typer.Option(
            envvar="CAMELID_API_KEY",
            help="Let in only who has it; may be given several times, or as sha256:DIGEST.",
            rich_help_panel=_ACCESS,
            show_envvar=True,
        ),
    ] = None,
    api_keys: Annotated[
        Path | None, typer.Option(help="A file of such keys, one a line.", rich_help_panel=_ACCESS)
    ] = None,
    insecure: Annotated[
        bool,
        typer.Option("--insecure", help="Listen to other machines without a key.", rich_help_panel=_ACCESS),
    ] = False,
    cors: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN",
            help="Let pages from there call, such as https://example.org; may be given several times.",
            rich_help_panel=_ACCESS,
        ),
    ] = None,
    log_prompts: Annotated[
        bool, typer.Option("--log-prompts", help="Write into the log what was said.", rich_help_panel=_ACCESS)
    ] = False,
    votes: Annotated[
        Path | None,
        typer.Option(help="A file for the votes that are given on the page.", rich_help_panel=_ACCESS),
    ] = None,
    max_running: Annotated[
        int, typer.Option(min=1, help="Work at so many replies together.", rich_help_panel=_LIMITS)
    ] = 64,
    max_queue: Annotated[
        int, typer.Option(min=0, help="Let so many more wait; others get 429.", rich_help_panel=_LIMITS)
    ] = 256,
    max_n: Annotated[int, typer.Option(min=1, help="Of one request's n.", rich_help_panel=_LIMITS)] = 16,
    max_body: Annotated[int, typer.Option(min=1024, help="Bytes of a request.", rich_help_panel=_LIMITS)] = 4
    << 20,
    drain: Annotated[
        float,
        typer.Option(min=0, help="Seconds that replies may go on after SIGTERM.", rich_help_panel=_LIMITS),
    ] = 30.0,
    read_timeout: Annotated[
        float,
        typer.Option(min=0.1, help="Seconds that a request may take to arrive.", rich_help_panel=_LIMITS),
    ] = 20.0,
    backend: Annotated[str, typer.Option(help="auto, native or torch.", rich_help_panel=_LOADING)] = "auto",
    weights: Annotated[
        str, typer.Option(help="Of the native backend: int8, int4, bf16 or f32.", rich_help_panel=_LOADING)
    ] = "",
    threads: Annotated[
        int, typer.Option(min=0, help="That compute; 0 for a thread a core.", rich_help_panel=_LOADING)
    ] = 0,
    speculate: Annotated[
        bool, typer.Option(help="Let the Alpaca guess for the Llama.", rich_help_panel=_LOADING)
    ] = True,
) -> None:
    """Answer over HTTP: OpenAI's API, Anthropic's and Ollama's, and a page to chat on.

    A pair answers as auto, llama, alpaca and blend; a model by its folder's name; an adapter by the name that
    it is given here. Ctrl-C or SIGTERM lets what runs come to its end.
    """
    from camelid.errors import RecipeError
    from camelid.serve.guard import hash_keys, read_keys
    from camelid.serve.journal import write_log
    from camelid.serve.run import open_socket, serve_many
    from camelid.serve.run import serve as serve_one
    from camelid.serve.settings import ServeSettings, is_public

    place = choose_folder(folder)
    hashes = hash_keys([*(api_key or []), *(read_keys(api_keys) if api_keys else [])])
    if is_public(host) and not hashes and not insecure:
        raise RecipeError(
            f"Other machines can reach {host}, and anybody on them could ask. Give an --api-key, listen on "
            "127.0.0.1, or say --insecure."
        )
    os.environ.pop("CAMELID_API_KEY", None)  # nobody downstream needs it
    settings = ServeSettings(
        folder=str(find_model(place) or place),
        adapters=_read_adapters(adapter or []),
        backend=backend,
        weights=weights,
        threads=threads,
        speculate=speculate,
        max_running=max_running,
        max_queue=max_queue,
        max_n=max_n,
        max_body_bytes=max_body,
        drain_s=drain,
        read_s=read_timeout,
        temperature=temperature,
        key_hashes=hashes,
        origins=tuple(cors or ()),
        log_prompts=log_prompts,
        log_requests=not quiet,
        votes=str(votes or ""),
        any_host=insecure or is_public(host),
    )
    write_log(sys.stderr)
    with open_socket(host, port) as bound:
        address = _say_address(host, bound.getsockname()[1])

        def greet(names: tuple[str, ...]) -> None:
            _greet(address, names, settings)

        if workers > 1:
            serve_many(settings, bound, workers, ready=greet)
        else:
            serve_one(settings, bound, ready=greet)


def _read_adapters(told: list[str]) -> dict[str, str]:
    """Return the folders of adapters by name.

    Raises RecipeError for one without a name, or with another's.
    """
    from camelid.errors import RecipeError

    folders: dict[str, str] = {}
    for each in told:
        name, equals, folder = each.partition("=")
        if not (name and equals and folder):
            raise RecipeError(f"--adapter takes a name and a folder, NAME=FOLDER; found {each!r}.")
        if name in folders:
            raise RecipeError(f"Two adapters are called {name!r}. Give each a name of its own.")
        folders[name] = folder
    return folders


def _say_address(host: str, port: int) -> str:
    shown = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)
    return f"http://[{shown}]:{port}" if ":" in shown and "[" not in shown else f"http://{shown}:{port}"


def _greet(address: str, names: tuple[str, ...], settings: "ServeSettings") -> None:
    """Say where the server is, who answers there, and how to try it."""
    body = json.dumps({"model": names[0], "messages": [{"role": "user", "content": "Hello!"}]})
    if "alpaca" in names:
        body = body.replace(f'"{names[0]}"', '"alpaca"')
    key = ' -H "Authorization: Bearer $CAMELID_API_KEY"' if settings.key_hashes else ""
    print(f"serving {settings.folder} at {address} (open it in a browser to chat)")
    print(f"models:  {', '.join(names)}")
    print(f"try:     curl {address}/v1/chat/completions{key} -H 'Content-Type: application/json' -d '{body}'")
    print("stop:    Ctrl-C", flush=True)
