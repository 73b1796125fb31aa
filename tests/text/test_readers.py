"""Files into rows: what is written is what is read, and whatever is wrong gets one clear line."""

import csv
import gzip
import io
import json
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camelid.errors import DataError, MissingExtraError
from camelid.text.readers import Reading, read_rows
from camelid.text.sources import Source, find_files

zstandard = pytest.importorskip("zstandard")
pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1)
ROWS = st.lists(st.fixed_dictionaries({"text": TEXTS, "note": TEXTS}), min_size=1, max_size=5)


def read(path, **settings):
    source = Source(name="s", path=str(path), **settings)
    reading = Reading("s", source.skip_bad)
    return [row for _, row in read_rows(source, "/", reading)], reading


def pack(data: bytes, packing: str) -> bytes:
    if packing == ".gz":
        return gzip.compress(data)
    return zstandard.compress(data) if packing == ".zst" else data


def write_as(kind: str, rows: list[dict[str, str]]) -> bytes:
    if kind == ".jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    if kind == ".json":
        return json.dumps(rows).encode()
    if kind == ".parquet":
        buffer = io.BytesIO()
        parquet.write_table(pyarrow.Table.from_pylist(rows), buffer)
        return buffer.getvalue()
    out = io.StringIO(newline="")
    table = csv.DictWriter(
        out, ["text", "note"], delimiter="," if kind == ".csv" else "\t", lineterminator="\n"
    )
    table.writeheader()
    table.writerows(rows)
    return out.getvalue().encode()


@pytest.mark.parametrize("packing", ["", ".gz", ".zst"])
@pytest.mark.parametrize("kind", [".jsonl", ".json", ".csv", ".tsv"])
@settings(max_examples=25, deadline=None)
@given(rows=ROWS)
def test_what_is_written_is_what_is_read(kind, packing, rows):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"rows{kind}{packing}"
        path.write_bytes(pack(write_as(kind, rows), packing))
        assert read(path, quoted=kind == ".tsv")[0] == rows


@settings(max_examples=25, deadline=None)
@given(rows=ROWS)
def test_parquet_comes_back(rows):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        path.write_bytes(write_as(".parquet", rows))
        assert read(path)[0] == rows


@settings(max_examples=50, deadline=None)
@given(
    documents=st.lists(
        TEXTS.map(lambda text: text.replace("|", "").strip()).filter(bool), min_size=1, max_size=5
    )
)
def test_separated_documents_come_back(documents):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.txt"
        path.write_bytes("|".join(documents).encode())
        assert [row["text"] for row in read(path, separator="|")[0]] == documents


@settings(max_examples=50, deadline=None)
@given(
    paragraphs=st.lists(st.text("abc é", min_size=1).filter(str.strip), min_size=1), size=st.integers(1, 30)
)
def test_cut_pieces_hold_the_whole_text(paragraphs, size):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.txt"
        path.write_text("\n\n".join(paragraphs), encoding="utf-8")
        pieces = [row["text"] for row in read(path, cut_chars=size)[0]]
    assert "\n\n".join(pieces) == "\n\n".join(paragraphs)
    assert all("\n\n" not in piece or len(piece) <= size + 2 * piece.count("\n\n") for piece in pieces)


def test_a_text_file_is_one_document_by_default(tmp_path):
    (tmp_path / "a.txt").write_text("one\r\n\ntwo\n", newline="")
    assert read(tmp_path / "a.txt")[0] == [{"text": "one\n\ntwo"}]


def test_a_tsv_takes_quotes_literally(tmp_path):
    (tmp_path / "a.tsv").write_text('"Look," she said.\t"Schau!" sagte sie.\n')
    assert read(tmp_path / "a.tsv", columns=("en", "de"))[0] == [
        {"en": '"Look," she said.', "de": '"Schau!" sagte sie.'}
    ]


def test_json_may_hold_lines_and_texts(tmp_path):
    (tmp_path / "a.json").write_text('{"text": "x\u2028y"}\n{"text": "z"}\n')
    (tmp_path / "b.json").write_text('["x", "y"]')
    assert read(tmp_path / "a.json")[0] == [{"text": "x\u2028y"}, {"text": "z"}]
    assert read(tmp_path / "b.json")[0] == [{"text": "x"}, {"text": "y"}]


def test_a_byte_order_mark_is_not_text(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbftext\nhi\n")
    assert read(tmp_path / "a.csv")[0] == [{"text": "hi"}]


def test_two_zstandard_frames_are_one_file(tmp_path):
    (tmp_path / "a.txt.zst").write_bytes(zstandard.compress(b"one ") + zstandard.compress(b"two"))
    assert read(tmp_path / "a.txt.zst")[0] == [{"text": "one two"}]


def test_folders_and_patterns_are_read_in_order(tmp_path):
    for name in ("b.jsonl", "sub/a.jsonl", ".hidden.jsonl", "LICENSE"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"text": name}) + "\n")
    assert [row["text"] for row in read(tmp_path)[0]] == ["b.jsonl", "sub/a.jsonl"]
    rows, reading = read(tmp_path / "*" / "*.jsonl")
    assert [row["text"] for row in rows] == ["sub/a.jsonl"]
    assert reading.files == 1


def test_the_path_is_relative_to_the_data_root(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    assert find_files(Source(name="s", path="a.txt"), tmp_path) == [tmp_path / "a.txt"]


LINE = b'{"text": "one"}\n'
BROKEN = {
    "missing": ("a.jsonl", None, "There is no file or folder"),
    "empty": ("a.jsonl", b"", "a.jsonl is empty"),
    "empty text": ("a.txt", b"\n\n", "a.txt is empty"),
    "empty parquet": ("a.parquet", b"", "a.parquet is empty"),
    "empty gz": ("a.jsonl.gz", gzip.compress(b""), "is empty"),
    "header only": ("a.csv", b"text,label\n", "is empty"),
    "unknown kind": ("a.docx", b"x", "no kind that can be read. Known: .txt, .jsonl"),
    "NUL bytes": ("a.jsonl", LINE + b"\0\0\0\n", "line 2: a NUL byte; this is a binary file"),
    "not UTF-8": ("a.txt", b"ok\ncaf\xe9 ol\xe9\n", "line 2: byte 0xe9 is not UTF-8"),
    "UTF-16": ("a.txt", "hé".encode("utf-16"), "written in UTF-16. Save it as UTF-8"),
    "packed, not named so": ("a.jsonl", gzip.compress(LINE), "does not end in .gz. Rename it"),
    "zst, not named so": ("a.jsonl", zstandard.compress(LINE), "does not end in .zst. Rename it"),
    "parquet, not named so": ("a.txt", write_as(".parquet", [{"text": "x"}]), "does not end in .parquet"),
    "named gz, not packed": ("a.jsonl.gz", LINE, "is not .gz data, though its name says so"),
    "named zst, not packed": ("a.jsonl.zst", LINE, "is not .zst data, though its name says so"),
    "cut character": ("a.txt", "café".encode()[:-1], "half-written: it ends inside a character, in line 1"),
    "cut line": (
        "a.jsonl",
        LINE + b'{"text": "tw',
        "line 2: bad JSON (Unterminated string starting at); the line",
    ),
    "cut array": ("a.json", b'[{"text": "one"}, {"te', "line 1: bad JSON"),
    "cut array at a value": ("a.json", b'[{"text": "one"},', "The file is probably half-written"),
    "cut gz": (
        "a.jsonl.gz",
        gzip.compress(LINE * 999)[:-12],
        "is half-written: the packed data ends too early",
    ),
    "cut zst": ("a.jsonl.zst", zstandard.compress(LINE * 999)[:-4], "is half-written: the packed data ends"),
    "cut parquet": (
        "a.parquet",
        write_as(".parquet", [{"text": "x"}])[:-20],
        "is half-written or no parquet file",
    ),
    "cut csv": ("a.csv", b'text,label\n"a long stor', "line 2: the columns cannot be told apart"),
    "cut tsv": (
        "a.tsv",
        b"en\tde\nGo.\tGeh.\nStay",
        "1 columns, but 2 are named: en, de. The line has no end",
    ),
    "damaged gz": ("a.jsonl.gz", gzip.compress(LINE * 9)[:-8] + b"~" * 8, "is damaged"),
    "damaged zst": ("a.jsonl.zst", zstandard.compress(LINE * 9)[:8] + b"~" * 30, "is damaged"),
    "bad JSON": (
        "a.jsonl",
        LINE + b"{text: 1}\n" + LINE,
        "a.jsonl, line 2: bad JSON (Expecting property name",
    ),
    "bad JSON array": ("a.json", b'[\n{"text": 1},\n{text: 2}\n]', "a.json, line 3: bad JSON"),
    "no object": ("a.jsonl", LINE + b"17\n", "line 2: expected a JSON object or a text; found 17"),
    "no object in an array": ("a.json", b"[17]", "record 1: expected a JSON object or a text; found 17"),
    "no array": ("a.json", b"17", "must hold a JSON array of records; found 17"),
    "too many columns": ("a.csv", b"text,label\na,b,c\n", "line 2: 3 columns, but 2 are named: text, label"),
    "same name twice": ("a.csv", b"text,text\na,b\n", "two columns have the same name: text, text"),
}


@pytest.mark.parametrize("name, data, message", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_wrong_gets_one_clear_line(tmp_path, name, data, message):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError) as caught:
        read(tmp_path / name)
    assert message in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path, message", [("", "The folder"), ("*.jsonl", "The pattern")])
def test_a_folder_without_data_is_an_error(tmp_path, path, message):
    (tmp_path / "LICENSE").write_text("x")
    with pytest.raises(DataError, match=f"{message} .* holds no file that can be read"):
        read(tmp_path / path if path else tmp_path)


def test_bad_rows_can_be_skipped_and_are_counted(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(LINE + b"{text}\n" + LINE + b"17\n" + LINE + b'{"tex')
    rows, reading = read(tmp_path / "a.jsonl", skip_bad=True)
    assert len(rows) == 3
    assert reading.bad == 3
    assert "line 2: bad JSON" in reading.complaints[0]


def test_after_a_bad_line_a_csv_goes_on(tmp_path):
    (tmp_path / "a.csv").write_bytes(b'text,label\n"a"x,1\nb,2\nc\nd,4\n')
    rows, reading = read(tmp_path / "a.csv", skip_bad=True)
    assert [row["text"] for row in rows] == ["b", "d"]
    assert reading.bad == 2


def test_a_file_that_vanishes_is_named(tmp_path):
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_bytes(LINE)
    rows = read_rows(Source(name="s", path=str(tmp_path)), "/", Reading("s"))
    next(rows)
    (tmp_path / "b.jsonl").unlink()
    with pytest.raises(DataError, match=r"b.jsonl vanished while the source was read"):
        list(rows)


@pytest.mark.parametrize(
    "error, message", [(PermissionError(), "No permission to read"), (OSError(5, "I/O"), "I/O")]
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, monkeypatch, error, message):
    (tmp_path / "a.jsonl").write_bytes(LINE)

    def refuse(path):
        raise error

    monkeypatch.setattr("camelid.text.lines._open", refuse)
    with pytest.raises(DataError, match=message):
        read(tmp_path / "a.jsonl")


@pytest.mark.parametrize("name, package", [("a.txt.zst", "zstandard"), ("a.parquet", "pyarrow")])
def test_a_missing_package_names_its_extra(tmp_path, monkeypatch, name, package):
    (tmp_path / name).write_bytes(zstandard.compress(b"x"))
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'camelid\[data\]'"):
        read(tmp_path / name)


class TestDatasets:
    @pytest.fixture(autouse=True)
    def offline(self, monkeypatch, tmp_path):
        self.datasets = pytest.importorskip("datasets")
        monkeypatch.setattr(self.datasets.config, "HF_HUB_OFFLINE", True)
        monkeypatch.setattr(self.datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(self.datasets.config, "HF_MODULES_CACHE", str(tmp_path / "modules"))

    def read(self, root, name, **settings):
        source = Source(name="s", dataset=name, **settings)
        return [row for _, row in read_rows(source, root, Reading("s"))]

    def test_a_saved_dataset_is_read(self, tmp_path):
        rows = [{"text": "one", "n": 1}, {"text": "two", "n": 2}]
        saved = self.datasets.DatasetDict({"train": self.datasets.Dataset.from_list(rows)})
        saved.save_to_disk(tmp_path / "both")
        saved["train"].save_to_disk(tmp_path / "alone")
        assert self.read(tmp_path, "both") == rows
        assert self.read(tmp_path, "alone") == rows
        with pytest.raises(DataError, match=r"no split 'test'\. Known: train"):
            self.read(tmp_path, "both", split="test")

    def test_a_folder_of_data_files_is_a_dataset(self, tmp_path):
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "train.jsonl").write_bytes(LINE)
        assert self.read(tmp_path, "mine") == [{"text": "one"}]

    def test_a_dataset_that_cannot_be_loaded_is_one_line(self, tmp_path):
        with pytest.raises(DataError, match=r"The dataset 'no/such-set' could not be loaded: \S"):
            self.read(tmp_path, "no/such-set")

    def test_a_missing_package_names_its_extra(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "datasets", None)
        with pytest.raises(MissingExtraError, match="'datasets'"):
            self.read(tmp_path, "x")
