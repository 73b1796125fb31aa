"""Sources into a corpus: read, de-duplicated over all sources, split into training and held-out records.

The split. A key's place is a number in [0, 1) that a hash makes from it; a source holds out the keys whose
place is below its `held_out`. The place depends on the key alone, on no seed and no other record, so adding
data never moves a record to the other side. Where sources hold out different fractions, a key may be held out
in one and not in another; its records in the other are then left out of training ("withheld"). So are
sentence pairs that ask what a held-out pair asks: two English sentences may share their German.

Covers: records that share a key, in whichever sources; records of the same normalised content (only the first
is kept); sentences to translate. Does not cover: paraphrases, quotations.
"""

import dataclasses
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from camelid.errors import DataError, RecipeError
from camelid.text.forms import RecordMaker, normalise
from camelid.text.readers import Reading, read_rows
from camelid.text.records import Record
from camelid.text.sources import Source
from camelid.text.world import LANGUAGES, TASKS, build_world

_SALT = b"camelid split"  # changing it would move every record


@dataclass
class SourceReport:
    """What became of one source.

    rows: met in its files; bad, empty, filtered: rows that gave no record; duplicates, withheld: records left
    out; num_bytes: UTF-8 bytes of the records kept; languages: records kept of each.
    """

    name: str
    form: str = ""
    files: int = 0
    rows: int = 0
    bad: int = 0
    empty: int = 0
    filtered: int = 0
    records: int = 0
    duplicates: int = 0
    withheld: int = 0
    train: int = 0
    held_out: int = 0
    num_bytes: int = 0
    languages: dict[str, int] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, object]:
        """Return the report as plain values."""
        return dataclasses.asdict(self)


@dataclass
class Corpus:
    """The records of every source, by the source's name, on the two sides of the split; and the report."""

    train: dict[str, list[Record]] = field(default_factory=dict)
    held_out: dict[str, list[Record]] = field(default_factory=dict)
    report: list[SourceReport] = field(default_factory=list)

    def to_dict(self) -> dict[str, object]:
        """Return the report as plain values."""
        return {"sources": [source.to_dict() for source in self.report]}


def read_records(
    source: Source, *, data_root: Path | str = ".", seed: int = 0, reading: Reading | None = None
) -> Iterator[Record]:
    """Yield a source's records in their order, duplicates included.

    reading: filled in as the reading goes on.

    Raises DataError for data that cannot be used, or a source without a single record.
    """
    reading = reading or Reading(source.name, source.skip_bad)
    records = _build_world(source, seed) if source.builtin else _read(source, data_root, reading)
    for record in records:
        reading.records += 1
        yield record
        if source.records and reading.records >= source.records:
            return
    if not reading.records:
        raise DataError(f"Source {source.name!r} has no records: {_why_none(reading)}")


def build_corpus(
    sources: Sequence[Source],
    *,
    data_root: Path | str = ".",
    seed: int = 0,
    notify: Callable[[SourceReport], None] | None = None,
) -> Corpus:
    """Return the records of all sources, without duplicates, split into training and held-out ones.

    notify: called after each source, with its report (withheld records are not known yet).

    Raises RecipeError for two sources of one name, DataError for data that cannot be used.
    """
    names = [source.name for source in sources]
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise RecipeError(f"Two sources are called {twice[0]!r}; give each a name of its own.")
    corpus = Corpus()
    seen: set[int] = set()
    places: dict[str, array[float]] = {}
    for source in sources:
        report, places[source.name] = _add_source(corpus, source, Path(data_root), seed, seen)
        if notify:
            notify(report)
    _withhold_keys(corpus, sources, places)
    _withhold_questions(corpus)
    return corpus


def place_key(key: str) -> float:
    """Return where a key lies in [0, 1); a source holds out the keys below its `held_out`."""
    return int.from_bytes(blake2b(_SALT + key.encode(), digest_size=8).digest()[:6]) / 2**48


def hash_content(record: Record) -> int:
    """Return 64 bits that two records share when their normalised content is the same."""
    if record.text:
        content = normalise(record.text)
    else:
        content = "\n".join(f"{turn.role} {normalise(turn.content)}" for turn in record.messages)
    return int.from_bytes(blake2b(content.encode(), digest_size=8).digest())


def _add_source(
    corpus: Corpus, source: Source, data_root: Path, seed: int, seen: set[int]
) -> tuple[SourceReport, "array[float]"]:
    """Read one source into the corpus; return its report and the places of its training records' keys."""
    reading = Reading(source.name, source.skip_bad)
    train: list[Record] = []
    held_out: list[Record] = []
    places: array[float] = array("d")
    duplicates = 0
    for record in read_records(source, data_root=data_root, seed=seed, reading=reading):
        content = hash_content(record)
        if content in seen:
            duplicates += 1
            continue
        seen.add(content)
        place = place_key(record.key)
        if place < source.held_out:
            held_out.append(record)
        else:
            train.append(record)
            places.append(place)
    corpus.train[source.name], corpus.held_out[source.name] = train, held_out
    counts = {name: getattr(reading, name) for name in _SHARED}
    report = SourceReport(name=source.name, duplicates=duplicates, **counts)
    report.form = report.form or source.builtin
    _count(report, train, held_out)
    corpus.report.append(report)
    return report, places


_SHARED = ("form", "files", "rows", "bad", "empty", "filtered", "records", "complaints")


def _withhold_keys(corpus: Corpus, sources: Iterable[Source], places: dict[str, "array[float]"]) -> None:
    """Take from training whatever shares its key with a held-out record of another source."""
    sources = list(sources)
    if len({source.held_out for source in sources}) < 2:
        return  # one fraction: a key is on the same side everywhere
    highest = max(source.held_out for source in sources)
    held = {place_key(record.key) for records in corpus.held_out.values() for record in records}
    for source, report in zip(sources, corpus.report, strict=True):
        train = corpus.train[source.name]
        here = zip(train, places[source.name], strict=True)
        _keep(corpus, report, [record for record, place in here if place >= highest or place not in held])


def _withhold_questions(corpus: Corpus) -> None:
    """Take from training the sentence pairs whose request is that of a held-out pair."""
    reports = [report for report in corpus.report if "pairs" in report.form.split(", ")]
    asked = {_question(record) for report in reports for record in corpus.held_out[report.name]}
    for report in reports:
        kept = [record for record in corpus.train[report.name] if _question(record) not in asked]
        _keep(corpus, report, kept)


def _question(record: Record) -> str:
    return record.messages[-2].content if record.messages else ""


def _keep(corpus: Corpus, report: SourceReport, kept: list[Record]) -> None:
    """Let `kept` be the source's training records, and the rest be withheld."""
    withheld = len(corpus.train[report.name]) - len(kept)
    if withheld:
        report.withheld += withheld
        corpus.train[report.name] = kept
        _count(report, kept, corpus.held_out[report.name])


def _count(report: SourceReport, train: list[Record], held_out: list[Record]) -> None:
    report.train, report.held_out = len(train), len(held_out)
    report.num_bytes = 0
    languages: Counter[str] = Counter()
    for side in (train, held_out):
        for record in side:
            languages[record.lang] += 1
            report.num_bytes += _num_bytes(record.text)
            report.num_bytes += sum(_num_bytes(turn.content) for turn in record.messages)
    report.languages = dict(languages.most_common())


def _num_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _read(source: Source, data_root: Path | str, reading: Reading) -> Iterator[Record]:
    maker = RecordMaker(source, reading)
    for number, row in read_rows(source, data_root, reading):
        yield from maker.make(number, row)
    maker.check_columns()


def _build_world(source: Source, seed: int) -> Iterator[Record]:
    yield from build_world(
        seed=seed,
        num_records=source.records,
        languages=source.languages or LANGUAGES,
        tasks=source.tasks or TASKS,
    )


def _why_none(reading: Reading) -> str:
    if not reading.rows:
        return "there are no rows."
    why = f"of {reading.rows} rows {reading.filtered} were left out by `where`, "
    why += f"{reading.empty} had no text and {reading.bad} could not be read."
    return why + (f" The first: {reading.complaints[0]}" if reading.complaints else "")
