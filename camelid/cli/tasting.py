"""Held-out records as prompts with a gold answer, and both models' answers beside it."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from camelid.cli.screen import WIDTH, printable
from camelid.compare.metrics import same_words
from camelid.compare.task import ask_last
from camelid.compare.tasks.generation import cut_beginning
from camelid.errors import ContextTooLongError, DataError, suggest
from camelid.pair import Pair, Reply, Speaker, read_all
from camelid.text.heldout import HELD_OUT, read_held_out
from camelid.text.languages import LANGUAGE_NAMES, language_code
from camelid.text.records import Message, Record

_GOLD_CHARS = 400  # of how a document goes on really
_PROMPT_CHARS = 1200  # shown of a long turn; the model reads all of it
_STYLES = {"llama": "magenta", "alpaca": "cyan"}


@dataclass(frozen=True)
class Sample:
    """A held-out record as a prompt.

    turns: a conversation up to the turn that is asked for; empty for a document, of which `text` is the
        beginning. gold: what the data says next.
    """

    task: str
    lang: str
    gold: str
    turns: tuple[Message, ...] = ()
    text: str = ""

    @property
    def kind(self) -> str:
        """Return what this is an example of: a task, or going on with its texts."""
        return f"{self.task or 'text'}, to go on with" if self.text else self.task or "conversation"


def read_samples(folder: Path) -> list[Sample]:
    """Return the samples of a pair folder, in their order.

    Raises DataError when the file is missing, empty or damaged.
    """
    found = (_as_sample(record) for record in read_held_out(folder / HELD_OUT))
    samples = [sample for sample in found if sample]
    if not samples:
        raise DataError(
            f"{folder} has no held-out records in {HELD_OUT}, so there is nothing to ask. "
            "camelid train writes them; a pair that was copied needs that file too."
        )
    return samples


def choose_samples(samples: list[Sample], *, task: str, lang: str, count: int) -> list[Sample]:
    """Return the first `count` samples of each kind and language, in the order of their kinds.

    Raises DataError for a task or language that is not among them.
    """
    code = language_code(lang) if lang else ""
    tasks, languages = {sample.task for sample in samples}, {sample.lang for sample in samples}
    if task and task not in tasks:
        raise DataError(f"No held-out record has the task {task!r}.{suggest(task, tasks - {''})}")
    if code and code not in languages:
        *some, last = sorted(LANGUAGE_NAMES.get(known, "an unknown language") for known in languages)
        listed = f"{', '.join(some)} and {last}" if some else last
        raise DataError(f"No held-out record is in {LANGUAGE_NAMES.get(code, code)}; they are in {listed}.")
    wanted = [sample for sample in samples if task in ("", sample.task) and code in ("", sample.lang)]
    if not wanted:
        raise DataError(f"No held-out record of the task {task!r} is in {LANGUAGE_NAMES.get(code, code)}.")
    kinds = list(dict.fromkeys(sample.kind for sample in wanted))
    met: Counter[tuple[str, str]] = Counter()
    chosen = []
    for sample in wanted:
        met[sample.kind, sample.lang] += 1
        if met[sample.kind, sample.lang] <= count:
            chosen.append(sample)
    return sorted(chosen, key=lambda sample: (kinds.index(sample.kind), sample.lang))


def show_sample(console: Console, pair: Pair, sample: Sample, max_tokens: int) -> dict[str, bool]:
    """Print a sample, its gold answer and both models'; return who said exactly what gold says."""
    title = f"── {sample.kind} · {LANGUAGE_NAMES.get(sample.lang, 'language unknown')} "
    width = min(console.width, WIDTH)
    console.print(f"\n{title:─<{width}}", style="dim", markup=False)
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=9)
    table.add_column(width=width - 11, overflow="fold")
    for label, text in _prompt(sample):
        table.add_row(Text(label, "dim"), printable_text(_leave_out_middle(text)))
    table.add_row(Text("gold", "green"), printable_text(_cut_gold(sample)))
    exact = {}
    for role, speaker in pair.speakers.items():
        answer, exact[role] = _answer(speaker, sample, max_tokens)
        table.add_row(Text(role, _STYLES[role]), answer)
    console.print(table)
    return exact


def printable_text(text: str) -> Text:
    """Return a text to print as it is, without the blanks around it."""
    return Text(printable(text.strip()))


def _answer(speaker: Speaker, sample: Sample, max_tokens: int) -> tuple[Text, bool]:
    """Return a model's answer, and whether it is gold's."""
    try:
        reply = _ask(speaker, sample, max_tokens)
    except ContextTooLongError:
        context = speaker.config.max_position_embeddings
        return Text(f"(this prompt does not fit in the context of {context} tokens)", "yellow"), False
    text = printable_text(reply.text)
    if not text:
        text.append("(nothing)", "dim")
    if reply.finish_reason == "length":
        text.append(f" … (cut after {reply.completion_tokens} tokens)", "dim")
    exact = not sample.text and same_words(reply.text, sample.gold)
    if exact:
        text.append(" ✓", "green")
    return text, exact


def _ask(speaker: Speaker, sample: Sample, max_tokens: int) -> Reply:
    if sample.text:
        return read_all(speaker.continue_text(sample.text, max_tokens=max_tokens))
    return speaker.reply(sample.turns, max_tokens=max_tokens)


def _as_sample(record: Record) -> Sample | None:
    """Return a record as a sample; None when there is nothing to ask for."""
    if not record.is_chat:
        beginning, rest = cut_beginning(record.text)
        return Sample(record.task, record.lang, rest, text=beginning) if rest else None
    asked = ask_last(record.messages)
    return Sample(record.task, record.lang, asked[1], turns=asked[0]) if asked else None


def _prompt(sample: Sample) -> list[tuple[str, str]]:
    if sample.text:
        return [("begins", sample.text)]
    return [(turn.role, turn.content) for turn in sample.turns]


def _cut_gold(sample: Sample) -> str:
    if not sample.text or len(sample.gold) <= _GOLD_CHARS:
        return sample.gold
    return sample.gold[:_GOLD_CHARS].rsplit(maxsplit=1)[0] + " …"


def _leave_out_middle(text: str) -> str:
    """Return a turn as it is shown: of a long one the beginning and the end, and how much is between."""
    if len(text) <= _PROMPT_CHARS:
        return text
    part = _PROMPT_CHARS // 2
    return f"{text[:part]} … ({len(text) - 2 * part:,} characters not shown) … {text[-part:]}"
