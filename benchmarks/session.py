"""Record the README's session: run its commands on a pair as it stands there, and store what they print.

python benchmarks/session.py
"""

import os
import shlex
import subprocess
import sys
from typing import Any

import stored

PAIR = "pairs/demo"
COMMANDS = {
    "difference": [f"camelid info {PAIR}"],
    "talk": [
        f"camelid generate {PAIR} 'What tells a llama from an alpaca?' --model alpaca",
        f"camelid generate {PAIR} '¿Qué es una vicuña?' --model alpaca",
        f"camelid generate {PAIR} 'Translate into Spanish: Maria has a small dog.' --model llama",
        f"camelid generate {PAIR} --continue 'Once upon a time there was a shepherd called Eva' -m llama",
    ],
}
SNIPPET = f"""\
import camelid

pair = camelid.load("{PAIR}")
reply = pair.reply("Which is bigger, a llama or an alpaca?", model="alpaca")
print(reply.text)
print(f"{{reply.model}}: the first token after {{reply.first_token_s * 1000:.0f}} ms")
for piece in pair.stream("Translate into French: The big dog is not beautiful.", model="llama"):
    print(piece, end="", flush=True)
"""


def record(command: list[str]) -> str:
    """Return what a command prints, run in the house with 100 columns."""
    path = os.pathsep.join([str(stored.HOUSE / ".venv" / "bin"), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "COLUMNS": "100", "NO_COLOR": "1"}
    run = subprocess.run(command, capture_output=True, text=True, cwd=stored.HOUSE, env=environment)
    if run.returncode:
        sys.exit(f"{shlex.join(command)} failed:\n{run.stderr}")
    return "\n".join(line.rstrip() for line in run.stdout.strip("\n").splitlines())


def render(data: dict[str, Any]) -> dict[str, str]:
    """Return the README's blocks by name."""
    blocks = {}
    for name in COMMANDS:
        lines = [f"$ {entry['command']}\n{entry['output']}" for entry in data[name]]
        blocks[name] = "```console\n" + "\n".join(lines) + "\n```"
    blocks["python"] = f"```python\n{data['snippet']}```\n\n```text\n{data['printed']}\n```"
    return blocks


def main() -> None:
    data: dict[str, Any] = {
        name: [{"command": line, "output": record(shlex.split(line))} for line in lines]
        for name, lines in COMMANDS.items()
    }
    data["snippet"] = SNIPPET
    data["printed"] = record([sys.executable, "-c", SNIPPET])
    print(f"stored {stored.store('session', data)}; now: make docs")


if __name__ == "__main__":
    main()
