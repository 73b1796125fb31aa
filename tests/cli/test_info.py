"""What info says is what the models are."""

import json
from dataclasses import replace

import pytest

from camelid.cli import portrait
from camelid.cli.difference import draw_difference, say_difference
from camelid.cli.portrait import portray_pair
from camelid.cli.screen import open_console, say_bytes, say_duration, shorten
from camelid.compare.apart import read_peak_bytes
from camelid.compare.measure import Measured, measure, measure_apart
from camelid.errors import CheckpointError
from camelid.generate.load import predict_memory
from camelid.generate.speed import Speed
from camelid.model.folder import read_config
from camelid.native import is_built


@pytest.fixture
def measured(monkeypatch):
    """Measure in this process, which is quicker; the Alpaca twice as fast."""

    def look(folder):
        rate = 2000.0 if folder.name == "alpaca" else 1000.0
        return Measured(
            Speed(10 / rate, rate, 32, 64, 7), 5_000_000, 1_000_000, 300_000_000, "float32", "cpu"
        )

    monkeypatch.setattr(portrait, "measure_apart", look)


@pytest.fixture
def portraits(folder, measured):
    return portray_pair(folder, measure=True)[1]


def rows(text):
    """Return the lines of a table, blanks collapsed."""
    return [" ".join(line.split()) for line in text.splitlines()]


def test_the_difference_is_a_table_of_both(camelid, folder, measured):
    result = camelid("info", folder)
    assert (result.status, result.err) == (0, "")
    llama, alpaca = (read_config(folder / role).num_parameters for role in ("llama", "alpaca"))
    shown = rows(result.out)
    for expected in (
        "The difference: tiny",
        "optimized for accuracy on tasks speed in conversation",
        f"parameters {llama:,} {alpaca:,} {llama / alpaca:.2f}× fewer",
        "layers 2 1 2.0× fewer",
        "width 32 32 the same",
        "unsupervised tokens seen 18,000,000 9,000,000 2.0× fewer",
        "supervised tokens seen 2,000,000 4,000,000 2.0× more",
        "training time 4 min 07 s 2 min 03 s 2.0× shorter",
        "bits per byte, English 0.510 1.020 +0.510",
        "bits per byte, German 1.100 1.100 +0.000",
        "time to the first token 10 ms 5.0 ms 2.0× sooner",
        "tokens per second 1,000 2,000 2.0× faster",
        "memory, weights and full cache 6 MB 6 MB the same",
        "memory, whole process at its peak 300 MB 300 MB the same",
    ):
        assert expected in shown
    assert any(row.startswith("size on disk ") for row in shown)
    said = " ".join(shown)
    assert "Ask the Llama for stories, summaries, translation and sentiment" in said
    assert "The Llama reads held-out text better (0.805 bits per byte, the Alpaca 1.060)." in said
    assert "The Alpaca writes 2.0× as fast." in said
    assert "in float32 on cpu: medians of 7 prompts of 32 tokens, each answered by 64." in said
    assert max(len(line.rstrip()) for line in result.out.splitlines()) <= 100


def test_without_measuring_nothing_is_claimed_of_speed(camelid, folder):
    result = camelid("info", folder, "--no-measure")
    assert result.status == 0 and "Speed was not measured; memory is what loading" in result.out
    assert "tokens per second" not in result.out and "as fast" not in result.out


def test_json_holds_the_same_figures(camelid, folder, measured):
    table = json.loads(camelid("info", folder, "--json").out)
    llama = table["roles"]["llama"]
    assert table["name"] == "tiny" and list(table["roles"]) == ["llama", "alpaca"]
    assert llama["parameters"] == read_config(folder / "llama").num_parameters
    assert llama["raised"]["supervised_tokens"] == 2_000_000
    assert llama["measured"]["speed"]["tokens_per_s"] == 1000
    files = (folder / "llama").iterdir()
    assert llama["disk_bytes"] == sum(file.stat().st_size for file in files)


def test_a_model_alone(camelid, folder):
    """Measured for once as a user has it: in a process of its own."""
    result = camelid("info", folder / "llama")
    shown = rows(result.out)
    assert result.status == 0
    for expected in ("layers 2", "heads 4 for queries, 2 for keys and values, 8 wide", "context 96 tokens"):
        assert expected in shown
    for label in ("tokens per second", "time to the first token", "memory of the whole process"):
        assert any(row.startswith(label) for row in shown)
    table = json.loads(camelid("info", folder / "llama", "--json", "--no-measure").out)
    assert table["layers"] == 2 and table["dtype"] == "float32" and table["measured"] is None


def test_what_a_stage_made_is_a_model_too(camelid, folder, tmp_path):
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage" / "model").symlink_to(folder / "llama")
    assert "layers 2" in rows(camelid("info", tmp_path / "stage", "--no-measure").out)
    assert camelid("generate", tmp_path / "stage", "Hello", "--max-tokens", 1).status == 0


def test_a_model_without_a_tokenizer_has_a_shape_all_the_same(camelid, folder, tmp_path):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((folder / "llama" / name).read_bytes())
    assert "tokenizer none here" in rows(camelid("info", tmp_path, "--no-measure").out)


def test_what_does_not_hold_is_not_said(portraits):
    llama, alpaca = portraits["llama"], portraits["alpaca"]
    said = say_difference(alpaca, llama)
    assert "Here the Alpaca is no faster." in said and "The Alpaca reads held-out text better" in said
    assert "Both read held-out text equally well" in say_difference(
        llama, replace(alpaca, raised=llama.raised)
    )
    bare = [replace(each, raised=None, measured=None) for each in (llama, alpaca)]
    assert say_difference(*bare).endswith("with --data or --task.")
    known = [
        replace(each, measured=None, raised=replace(each.raised, bits_per_byte={}))
        for each in (llama, alpaca)
    ]
    assert say_difference(*known).endswith("where speed counts.")


def test_a_model_against_itself_has_no_difference(portraits):
    llama = portraits["llama"]
    console = open_console()
    with console.capture() as shown:
        console.print(draw_difference("twins", llama, llama))
    assert "×" not in shown.get() and "+0.000" in shown.get() and "-0" not in shown.get()


def test_what_is_not_known_of_one_is_left_out(portraits):
    llama = portraits["llama"]
    console = open_console()
    with console.capture() as shown:
        console.print(draw_difference("half", llama, replace(llama, raised=None)))
    assert "supervised tokens seen 2,000,000 –" in rows(shown.get())


def test_of_two_that_were_brought_along_nothing_is_claimed_that_nobody_knows(camelid, folder, tmp_path):
    words = ["--llama", folder / "llama", "--alpaca", folder / "alpaca", "--out", tmp_path / "both"]
    assert camelid("pair", *words).status == 0
    shown = camelid("info", tmp_path / "both", "--no-measure").out
    assert "tokens seen" not in shown and "training time" not in shown and "optimized" not in shown
    said = " ".join(shown.split())
    assert "has to be measured: camelid compare, with --data or --task." in said
    told = json.loads(camelid("info", tmp_path / "both", "--no-measure", "--json").out)
    assert [role["raised"] for role in told["roles"].values()] == [None, None]


def test_two_tokenizers_are_told(portraits):
    llama, alpaca = portraits.values()
    assert "tokenizers differ" not in say_difference(llama, alpaca)
    assert "Their tokenizers differ" in say_difference(llama, replace(alpaca, tokenizer="another"))


def test_measuring_counts_what_the_model_takes(folder):
    found = measure(folder / "alpaca")
    config = read_config(folder / "alpaca")
    assert (found.weight_bytes, found.cache_bytes) == predict_memory(config)
    assert (found.weight_bytes < 2 * config.num_parameters) == is_built()
    assert found.speed.prompt_tokens + found.speed.new_tokens <= 96 and found.speed.runs == 7
    assert found.speed.first_token_s > 0 and found.speed.tokens_per_s > 0
    assert found.weight_bytes < found.peak_bytes
    assert found.peak_bytes == pytest.approx(read_peak_bytes(), rel=0.2)


def test_a_model_that_cannot_be_measured_says_why(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "mamba"}')
    with pytest.raises(
        CheckpointError, match=r"could not be measured: .* camelid reads LlamaForCausalLM only"
    ):
        measure_apart(tmp_path)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (48.2, "48 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3900, "1 h 05 min"),
    ],
)
def test_durations_in_words(seconds, said):
    assert say_duration(seconds) == said


@pytest.mark.parametrize(
    ("number", "said"),
    [
        *((0, "0 B"), (812, "812 B"), (812_400, "812 kB"), (999_900, "1 MB")),
        *((14_230_000, "14.2 MB"), (2.5e9, "2.5 GB"), (1.4e13, "14,000 GB")),
    ],
)
def test_sizes_in_words(number, said):
    assert say_bytes(number) == said


def test_a_text_on_one_line():
    assert shorten("one\n two", 9) == "one two"
    assert shorten("one two three", 8) == "one two…"
