"""Records on the screen as a model sees them, what it learns to say apart from the rest."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.console import Console
from rich.text import Text

from camelid.cli.screen import printable
from camelid.errors import DataError, RecipeError, suggest
from camelid.text.chat import render_record, supervised_spans
from camelid.text.corpus import read_records
from camelid.text.languages import LANGUAGE_NAMES
from camelid.text.readers import Reading
from camelid.text.records import Record
from camelid.text.sources import Source
from camelid.text.tokenizer import Tokenizer, train_tokenizer
from camelid.train.upbringing import Upbringing, read_upbringing

OPEN, CLOSE = "⟦", "⟧"
_SAMPLE_RECORDS, _SAMPLE_CHARS = 2000, 2_000_000  # what a tokenizer is learnt from on the spot, per source
_SAMPLE_VOCABULARY = 2048
_TOKENIZER_PLACES = ("", "llama", "model", "stages/tokenizer")  # in a folder of any kind


@dataclasses.dataclass(frozen=True)
class Data:
    """What is shown: sources, and what a recipe says besides."""

    sources: tuple[Source, ...]
    recipe: Upbringing | None = None

    def read(self, source: Source, reading: Reading | None = None) -> Iterator[Record]:
        """Yield a source's records in their order."""
        root = self.recipe.data_root if self.recipe else "."
        seed = self.recipe.seed if self.recipe else 0
        return read_records(source, data_root=root, seed=seed, reading=reading)


def open_data(path: Path, name: str, data_root: Path | None, *, skip_bad: bool) -> Data:
    """Return what a data file, a folder or a recipe holds; of a recipe the source `name` alone, if given.

    data_root: where a recipe's paths begin, if not where it says.

    Raises RecipeError when the recipe cannot be followed, or lacks the source.
    """
    if path.suffix != ".toml":
        for option, given in (("--source", name), ("--data-root", data_root)):
            if given:
                raise RecipeError(f"{option} belongs to a recipe; {path} is none. Leave it out.")
        return Data((Source(path.stem, path=str(path), skip_bad=skip_bad),))
    recipe = read_upbringing(path, data_root=data_root and str(data_root))
    names = [source.name for source in recipe.source]
    if name and name not in names:
        raise RecipeError(f"{path} has no source {name!r}.{suggest(name, names)}")
    chosen = [source for source in recipe.source if name in ("", source.name)]
    if skip_bad:
        chosen = [
            source if source.builtin else dataclasses.replace(source, skip_bad=True) for source in chosen
        ]
    return Data(tuple(chosen), recipe)


def find_tokenizer(data: Data, folder: Path | None) -> tuple[Tokenizer, str]:
    """Return a tokenizer and where it is from: the folder, the recipe's own run, or learnt from the data.

    Raises TokenizerError when the folder has none, DataError when the data cannot be read.
    """
    given = folder or (data.recipe.folder if data.recipe else None)
    if given is not None:
        places = [given / place for place in _TOKENIZER_PLACES]
        found = next((place for place in places if (place / "tokenizer.json").is_file()), None)
        if found or folder:
            return Tokenizer.load(found or given), f"that of {given}"
    size = data.recipe.tokenizer.vocab_size if data.recipe else _SAMPLE_VOCABULARY
    texts = itertools.chain.from_iterable(_sample(data.read(source)) for source in data.sources)
    return train_tokenizer(texts, vocab_size=size), "learnt from the beginning of this data"


def show_data(console: Console, data: Data, tokenizer: Tokenizer, limit: int, *, plain: bool) -> None:
    """Print the first records of each source.

    Raises DataError when the data cannot be read.
    """
    plain = plain or console.no_color or not console.is_terminal
    for source in data.sources:
        reading = Reading(source.name, source.skip_bad)
        records = list(itertools.islice(data.read(source, reading), limit))
        form = (source.builtin and f"the built-in {source.builtin}") or f"read as {reading.form}"
        where = source.path or source.dataset
        console.print(f"\n── {source.name} · {form}{f' · {where}' * bool(where)}", style="bold", markup=False)
        for complaint in reading.complaints:
            console.print(f"left out: {complaint}", style="yellow", markup=False)
        for number, record in enumerate(records, 1):
            context = data.recipe.context if data.recipe else 0
            _print_record(console, tokenizer, record, number, context, plain)


def _print_record(
    console: Console, tokenizer: Tokenizer, record: Record, number: int, context: int, plain: bool
) -> None:
    try:
        token_ids, supervised = render_record(tokenizer, record)
        spans = supervised_spans(tokenizer, record)
    except DataError as error:
        console.print(f"\n{number} · {error}", style="red", markup=False)
        return
    about = [str(number), record.task, LANGUAGE_NAMES.get(record.lang, "")]
    about.append(f"{len(token_ids):,} tokens, {sum(supervised):,} of them learnt")
    if 0 < context < len(token_ids):
        about.append(f"longer than the context of {context:,}")
    console.print("\n" + " · ".join(part for part in about if part), style="dim", markup=False)
    console.print(_mark(spans, plain), soft_wrap=True)


def _mark(spans: Iterable[tuple[str, bool]], plain: bool) -> Text:
    """Return the text with what is learnt in green, or in brackets."""
    text = Text()
    for piece, supervised in spans:
        shown = printable(piece)
        if plain:
            text.append(f"{OPEN}{shown}{CLOSE}" if supervised else shown)
        else:
            text.append(shown, style="green" if supervised else "")
    return text


def _sample(records: Iterator[Record]) -> Iterator[str]:
    size = 0
    for record in itertools.islice(records, _SAMPLE_RECORDS):
        for text in [record.text] if record.text else [turn.content for turn in record.messages]:
            yield text
            size += len(text)
        if size > _SAMPLE_CHARS:
            return
