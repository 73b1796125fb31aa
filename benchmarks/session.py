"""Record the README's session: run its commands on a pair as it stands there, and store what they print.

python benchmarks/session.py          after make demo, on a machine with nothing else to do
"""

import json
import os
import shlex
import subprocess
import sys
from typing import Any

import stored

PAIR = "pairs/demo"
COMMANDS = {
    "talk": [
        f"camelid generate {PAIR} 'What tells a llama from an alpaca?' --model auto",
        f"camelid generate {PAIR} 'Translate into Spanish: Maria has a small dog.' --model auto",
        f"camelid generate {PAIR} --continue 'Once upon a time there was a shepherd called Eva' -m llama",
    ],
}
SNIPPET = f"""\
import camelid

pair = camelid.load("{PAIR}")
reply = pair.reply("Which is bigger, a llama or an alpaca?", model="auto")
print(f"{{reply.model}}, after {{reply.first_token_s * 1000:.0f}} ms: {{reply.text}}")
for piece in pair.stream("Translate into French: The dog sleeps.", model="llama"):
    print(piece, end="", flush=True)
"""


def record(command: list[str]) -> str:
    """Return what a command prints, run in the house with 100 columns."""
    path = os.pathsep.join([str(stored.HOUSE / ".venv" / "bin"), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "COLUMNS": "100", "NO_COLOR": "1"}
    run = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=stored.HOUSE,
        env=environment,
    )
    if run.returncode:
        sys.exit(f"{shlex.join(command)} failed:\n{run.stdout}")
    return "\n".join(line.rstrip() for line in run.stdout.strip("\n").splitlines())


def read_sheet() -> list[list[str]]:
    """Return the rows of the README's table, from the sheet that `camelid compare` wrote for the pair."""
    path = stored.HOUSE / PAIR / "sheet" / "sheet.json"
    if not path.is_file():
        sys.exit(f"There is no {path}. Run first: camelid compare {PAIR}")
    sheet = json.loads(path.read_text(encoding="utf-8"))
    llama, alpaca = sheet["models"]
    rows = [_judged(task) for task in sheet["tasks"]]
    for label, key, form, word in _COSTS:
        one, two = (_dig(model, key) for model in (llama, alpaca))
        first = "Llama" if (one > two) == (word == "faster") else "Alpaca"
        rows.append([label, form(one), form(two), f"{first}, {max(one, two) / min(one, two):.1f}× {word}"])
    return rows


def _judged(task: dict[str, Any]) -> list[str]:
    metric = task["metrics"][0]
    figures = [metric["figures"][role] for role in ("llama", "alpaca")]
    verdict = {"llama": "Llama", "alpaca": "Alpaca", None: "no difference found"}[task["verdict"]]
    cells = [f"{figure['text']} ({_say_range(figure)})" for figure in figures]
    return [f"{task['title'].lower()}, {metric['title']}", *cells, verdict]


def _say_range(figure: dict[str, Any]) -> str:
    scale, digits = (100, 1) if "%" in figure["text"] else (1, 3 if figure["value"] < 2 else 1)
    return " to ".join(f"{scale * figure[end]:.{digits}f}" for end in ("low", "high"))


def _dig(model: dict[str, Any], key: str) -> float:
    value: Any = model
    for part in key.split("."):
        value = value[part]
    return float(value)


_COSTS: tuple[tuple[str, str, Any, str], ...] = (
    ("parameters", "parameters", "{:,.0f}".format, "fewer"),
    ("layers", "layers", "{:.0f}".format, "fewer"),
    ("training time, s", "training_s", "{:.0f}".format, "less"),
    ("time to the first token, median, ms", "first_token_ms.p50", "{:.2f}".format, "less"),
    ("tokens per second", "tokens_per_s", "{:,.0f}".format, "faster"),
    ("memory of the whole process, MB", "peak_bytes", lambda number: f"{number / 1e6:.0f}", "less"),
)


def render(data: dict[str, Any]) -> dict[str, str]:
    """Return the README's blocks by name."""
    blocks = {"pair": stored.table(["", "Llama", "Alpaca", "ahead"], data["sheet"])}
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
    data["sheet"] = read_sheet()
    data["snippet"] = SNIPPET
    data["printed"] = record([sys.executable, "-c", SNIPPET])
    print(f"stored {stored.store('session', data)}; now: make docs")


if __name__ == "__main__":
    main()
