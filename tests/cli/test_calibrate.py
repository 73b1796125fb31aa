"""camelid calibrate, and whom the router it leaves lets answer."""

import json

import pytest
import tiny


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return tiny.make_pair(tmp_path_factory.mktemp("pairs") / "calibrated")


@pytest.fixture(scope="module")
def votes(tmp_path_factory):
    path = tmp_path_factory.mktemp("votes") / "votes.jsonl"
    lines = [
        {"prompt": f"Hello number {place}", "chosen": ("llama", "alpaca", "tie")[place % 3]}
        for place in range(40)
    ]
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return path


def test_before_calibrating_nobody_chooses(camelid, pair):
    result = camelid("generate", pair, "Hello", "--model", "auto")
    assert (result.status, result.out) == (1, "")
    assert "has no router, so it cannot choose. Run: camelid calibrate" in result.err


def test_a_share_is_met_and_shown_beside_everything(camelid, pair):
    result = camelid("calibrate", pair, "--llama-share", 0.4, "--limit", 12)
    assert (result.status, result.err) == (0, "")
    shown = " ".join(result.out.split())
    for expected in (
        "Wished: the Llama answers 40% of the requests. Met:",
        "always the Alpaca 0.0%",
        "always the Llama 100.0%",
        "mean quality by the Llama's share",
        "oracle",
        "random",
        "table",
        "Try: camelid chat",
    ):
        assert expected in shown
    page = (pair / "router.html").read_text()
    assert "<svg" in page and "<script" not in page


def test_the_router_then_chooses_and_says_why(camelid, type_in, pair):
    assert camelid("calibrate", pair, "--limit", 12).status == 0
    answered = camelid("generate", pair, "Hello", "-m", "auto", "--max-tokens", 4)
    assert answered.status == 0 and "answered: the Llama would gain" in answered.err
    told = json.loads(camelid("generate", pair, "Hello", "-m", "auto", "--json").out)
    assert told["decision"]["model"] == told["model"] and told["decision"]["reason"]
    by_name = json.loads(camelid("generate", pair, "Hello", "-m", "llama", "--json").out)
    assert (by_name["model"], by_name["decision"]) == ("llama", None)  # nothing was decided
    result = type_in("chat", pair, "--max-tokens", 4, lines=["/model auto", "Hello", "/model", "/stats"])
    shown = " ".join(result.out.split())
    assert "The router chooses who answers from here on." in shown
    assert "because the Llama would gain" in shown
    assert "auto: the router chooses by" in shown and "the Llama answers 30% of the requests" in shown


def test_nobody_chooses_who_goes_on_with_a_text(camelid, pair):
    result = camelid("generate", pair, "Once", "--continue", "-m", "auto")
    assert result.status == 1 and "Use --model llama or --model alpaca." in result.err


def test_what_cannot_be_met_is_said_and_nothing_is_written(camelid, tmp_path):
    folder = tiny.make_pair(tmp_path / "pair")
    result = camelid("calibrate", folder, "--p95-latency-ms", 0.00001, "--limit", 12, "--json")
    told = json.loads(result.out)
    assert result.status == 1 and told["met"] is False
    assert told["answer"].startswith("Cannot be met: the nearest is")
    assert not (folder / "router.json").exists()
    shown = camelid("calibrate", folder, "--p95-latency-ms", 0.00001, "--limit", 12)
    assert shown.status == 1 and "No router was written." in shown.out


def test_a_promise_is_told_with_its_bound(camelid, pair):
    result = camelid(
        "calibrate", pair, "--max-quality-loss", 0.4, "--confidence", 0.8, "--limit", 12, "--json"
    )
    told = json.loads(result.out)
    assert result.status == 0 and told["met"]
    assert told["promise"]["bound"] in ("betting", "exact binomial")
    assert told["promise"]["max_loss"] == 0.4
    shown = camelid("calibrate", pair, "--max-quality-loss", 0.4, "--confidence", 0.8, "--limit", 12).out
    assert "Learn then Test" in shown and "independent draws from one distribution" in shown
    assert told["promise"]["theorem"] in shown and told["promise"]["assumed"] in shown


def test_votes_are_labels_too(camelid, pair, votes):
    result = camelid("calibrate", pair, "--votes", votes, "--llama-share", 0.5, "--json")
    told = json.loads(result.out)
    assert (result.status, told["labels"], told["requests"]) == (0, "votes", 40)


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("--llama-share", 1.5), 1, "share must lie between 0 and 1; found 1.5"),
        (("--llama-share", 0.3, "--p95-latency-ms", 5), 1, "Wish for one thing"),
        (("--confidence", 0.9), 1, "--confidence belongs to --max-quality-loss"),
        (
            ("--max-quality-loss", 0.001, "--limit", 12),
            1,
            "labelled requests, half of them to judge by; found",
        ),
        (("--votes", "nowhere.jsonl"), 1, "There is no file of votes nowhere.jsonl"),
        (("--limit", 1), 1, "needs at least 20 labelled requests; found"),
    ],
)
def test_wrong_wishes(camelid, pair, words, status, message):
    result = camelid("calibrate", pair, *words)
    assert result.status == status and result.out == ""
    assert message in result.err and result.err.count("\n") == 1


def test_a_pair_without_held_out_items(camelid, tmp_path):
    folder = tiny.make_pair(tmp_path / "pair")
    (folder / "held_out.jsonl").unlink()
    result = camelid("calibrate", folder)
    assert result.status == 1 and "no held-out conversations to ask" in result.err
