"""The source: one [[source]] of a recipe, checked; and the files it stands for.

Every key that names columns names the file's own columns. A row goes through `where`, `relabel`, `rename`,
in this order, and then into its form (see forms.py).
"""

import dataclasses
import glob
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from camelid.errors import DataError, RecipeError
from camelid.files import hash_file, hash_json
from camelid.text.languages import language_code
from camelid.text.template import Template

Form = Literal["auto", "text", "alpaca", "sharegpt", "messages", "pairs", "rows"]

SUFFIXES = (".txt", ".jsonl", ".json", ".csv", ".tsv", ".parquet")
PACKINGS = (".gz", ".zst")
_HASHED_BYTES = 1 << 30  # a larger file would take seconds at every start


@dataclass(frozen=True)
class Source:
    """Where records come from and how they are read; exactly one of path, builtin and dataset is given.

    name: what the recipe's mixes and the reports call it.
    path: a file, a folder (read recursively) or a glob, relative to the recipe's data_root.
    builtin: "world", the corpus that camelid writes itself; records says how many to make.
    dataset: a Hugging Face `datasets` name, or a local folder of one; with split and subset.
    records: read at most so many records; 0 reads all.
    form: what a row is; "auto" recognises it from its columns and reports it.
    lang: the language of every record; else the column lang_field (by default lang or language) says it.
    task: what the records teach, for instance "story"; translation for pairs unless given.
    where: keep the rows whose column equals the value, or is one of the values.
    relabel: new values for a column's values; "*" stands for every other value.
    rename: columns of the file to the names that the form expects.
    columns: names for the columns of a .csv or .tsv that has no header line.
    quoted: a .tsv whose fields may stand in double quotes (a .csv always may).
    separator: splits a .txt into documents, for instance "\\n\\n"; by default a file is one document.
    cut_chars: cuts the documents of a .txt at blank lines into pieces of about so many characters.
    pair_langs: the two columns of form "pairs", when the row has more; directions: which way to translate.
    prompt, answer: templates over the columns; of several prompts each record takes one, always the same.
    system: a system turn put before every conversation that has none.
    languages, tasks: what the built-in corpus is to write; by default everything.
    weight, max_epochs: the source's share in a mix, and how often its records may be seen.
    held_out: the share of keys kept from training.
    key: the column or columns that the split hashes; by default the question or the text.
    skip_bad: count rows that cannot be read, and go on.
    """

    name: str
    path: str = ""
    builtin: Literal["", "world"] = ""
    dataset: str = ""
    split: str = "train"
    subset: str = ""
    records: int = 0
    form: Form = "auto"
    lang: str = ""
    lang_field: str = ""
    task: str = ""
    where: dict[str, str | list[str]] = field(default_factory=dict)
    relabel: dict[str, dict[str, str]] = field(default_factory=dict)
    rename: dict[str, str] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    quoted: bool = False
    separator: str = ""
    cut_chars: int = 0
    pair_langs: tuple[str, ...] = ()
    directions: Literal["both", "forward", "backward"] = "both"
    prompt: str | tuple[str, ...] = ()
    answer: str = ""
    system: str = ""
    languages: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    weight: float = 1.0
    max_epochs: float = 4.0
    held_out: float = 0.01
    key: str | tuple[str, ...] = ()
    skip_bad: bool = False

    def __post_init__(self) -> None:
        if not self.name:
            raise RecipeError("A source needs a name.")
        try:
            self._check_origin()
            self._check_kind()
            self._check_numbers()
            self._check_form()
            self._check_languages()
        except ValueError as error:
            raise RecipeError(f"Source {self.name!r}: {error}") from None

    @property
    def prompts(self) -> tuple[str, ...]:
        """Return the prompt templates, one or several."""
        return (self.prompt,) if isinstance(self.prompt, str) else tuple(self.prompt)

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the columns that the split hashes; none means the content."""
        return (self.key,) if isinstance(self.key, str) else tuple(self.key)

    def _check_origin(self) -> None:
        given = [name for name in ("path", "builtin", "dataset") if getattr(self, name)]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise RecipeError(f"expected exactly one of path, builtin and dataset; found {found}.")
        if self.builtin and self.records < 1:
            raise RecipeError(
                'the built-in corpus needs records, how many to write, for instance "records = 20000".'
            )
        only = {"path": ("columns", "quoted", "separator", "cut_chars"), "builtin": ("languages", "tasks")}
        only["dataset"] = ("subset",)
        for origin, names in only.items():
            for name in names:
                if getattr(self, name) and not getattr(self, origin):
                    raise RecipeError(
                        f"{name} works only with {origin}, and would be ignored here. Remove it."
                    )
        if self.builtin:
            for name in (
                "where",
                "relabel",
                "rename",
                "prompts",
                "answer",
                "system",
                "keys",
                "lang",
                "skip_bad",
            ):
                if getattr(self, name):
                    word = name.removesuffix("s") if name in ("prompts", "keys") else name
                    raise RecipeError(f"{word} would be ignored by the built-in corpus. Remove it.")

    def _check_kind(self) -> None:
        kinds = {
            "columns": (".csv", ".tsv"),
            "quoted": (".tsv",),
            "separator": (".txt",),
            "cut_chars": (".txt",),
        }
        found = file_kind(Path(self.path))
        for name, kind in kinds.items():
            if getattr(self, name) and found in SUFFIXES and found not in kind:
                raise RecipeError(f"{name} works only with {' and '.join(kind)}; the path ends in {found}.")

    def _check_numbers(self) -> None:
        if not 0 <= self.held_out <= 1:
            raise RecipeError(f"held_out must lie between 0 and 1; found {self.held_out}.")
        for name in ("records", "cut_chars", "weight"):
            if getattr(self, name) < 0:
                raise RecipeError(f"{name} must not be negative; found {getattr(self, name)}.")
        if self.max_epochs <= 0:
            raise RecipeError(f"max_epochs must be above 0; found {self.max_epochs}.")

    def _check_form(self) -> None:
        for template in (*self.prompts, self.answer):
            Template(template)
        if self.form == "rows" and not (self.prompts and self.answer):
            raise RecipeError('form "rows" needs the templates prompt and answer, for instance "{question}".')
        if self.answer and self.form not in ("rows", "auto"):
            raise RecipeError(f'answer works only with form "rows"; found form {self.form!r}.')
        if self.answer and not self.prompts:
            raise RecipeError("answer needs a prompt beside it.")
        if self.prompts and not self.answer and self.form not in ("pairs", "auto"):
            raise RecipeError(
                f'prompt works only with the forms "rows" and "pairs"; found form {self.form!r}.'
            )
        if self.pair_langs and self.form not in ("pairs", "auto"):
            raise RecipeError(f'pair_langs works only with form "pairs"; found form {self.form!r}.')

    def _check_languages(self) -> None:
        for word in (self.lang, *self.pair_langs, *self.languages):
            if word:
                language_code(word)
        if self.pair_langs and len(self.pair_langs) != 2:
            raise RecipeError(f"pair_langs must name two columns; found {list(self.pair_langs)}.")
        if self.lang and self.lang_field:
            raise RecipeError("lang and lang_field exclude each other; keep one.")


def find_files(source: Source, data_root: Path | str) -> list[Path]:
    """Return the files that the source's path stands for, sorted.

    Raises DataError when there is none, or when a named file is of no known kind.
    """
    path = Path(data_root) / os.path.expanduser(source.path)
    if path.is_dir():
        found = [file for file in path.rglob("*") if file.is_file() and not _is_hidden(file, path)]
        return _keep_known(found, f"The folder {path}")
    if path.is_file():
        if file_kind(path) not in SUFFIXES:
            raise DataError(f"{path} is of no kind that can be read. {_KINDS}")
        return [path]
    if glob.has_magic(str(path)):
        found = [Path(name) for name in glob.glob(str(path), recursive=True) if os.path.isfile(name)]
        return _keep_known(found, f"The pattern {path}")
    raise DataError(f"There is no file or folder {path}. Check the source's path and the recipe's data_root.")


def fingerprint_source(source: Source, data_root: Path | str) -> str:
    """Return 16 hexadecimal digits that change with the source's settings or its files' names or content.

    A copy of the data elsewhere has the same ones. Does not cover changes within a file of more than 1 GiB:
    of these the size and the time of the last change count.
    """
    state: list[object] = [dataclasses.asdict(source)]
    if source.path:
        files = find_files(source, data_root)
        state += [[os.path.relpath(path, data_root), _fingerprint_file(path)] for path in files]
    return hash_json(state)


def _fingerprint_file(path: Path) -> object:
    stat = path.stat()
    return hash_file(path) if stat.st_size <= _HASHED_BYTES else [stat.st_size, stat.st_mtime_ns]


def file_kind(path: Path) -> str:
    """Return the suffix that says how a file is written: "a.jsonl.gz" is ".jsonl"."""
    name = path.with_suffix("") if path.suffix.lower() in PACKINGS else path
    return name.suffix.lower()


_KINDS = f"Known: {', '.join(SUFFIXES)}, each plain or (.parquet excepted) with {' or '.join(PACKINGS)}."


def _is_hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(folder).parts)


def _keep_known(found: list[Path], what: str) -> list[Path]:
    files = sorted(path for path in found if file_kind(path) in SUFFIXES)
    if not files:
        raise DataError(f"{what} holds no file that can be read. {_KINDS}")
    return files
