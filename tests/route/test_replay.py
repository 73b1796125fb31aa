"""The benchmarks of routing, tried on made-up rows in a moment."""

import csv

import guarantee
import labelled
import numpy as np
import pytest
import router
from scipy import stats


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Return a folder like router_mmlu's: at sums the strong one is better, at capitals both are good."""
    root = tmp_path_factory.mktemp("data")
    (root / "router_mmlu").mkdir()
    generator = np.random.default_rng(0)
    for subject, weak in (("sums", 0.3), ("capitals", 0.9)):
        with (root / "router_mmlu" / f"mmlu_{subject}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, ("prompt", router.WEAK, router.STRONG))
            writer.writeheader()
            for _ in range(400):
                a, b = generator.integers(10, 99, 2)
                asked = f"What is {a} + {b}?" if subject == "sums" else f"The capital of land {a} is called"
                writer.writerow(
                    {
                        "prompt": f"{asked}\nA. {a}\nB. {b}\nAnswer:",
                        router.WEAK: generator.random() < weak,
                        router.STRONG: generator.random() < 0.95,
                    }
                )
    return root


def test_the_replay_ranks_its_ways(root, monkeypatch, capsys):
    monkeypatch.setattr(router, "LABELS", 150)
    data = router.read_mmlu(root)
    assert (len(data.prompts), set(data.subjects)) == (800, {"sums", "capitals"})
    found = router.replay(data, 2)
    means = {name: np.mean([row["apgr"] for row in rows]) for name, rows in found["ways"].items()}
    assert means["oracle"] > means["camelid, prompt text alone"] > 0.65
    assert means["mean of the subject, which is told"] > 0.65 and abs(means["random"] - 0.5) < 0.12
    page = router.render({"mmlu": found})
    assert "| camelid, prompt text alone | 0." in page and "published" in page
    assert "split 1:" in capsys.readouterr().out


def test_labels_and_test_share_no_row():
    train, test = router.split(100, 30, 4)
    assert len(train) == 30 and sorted([*train, *test]) == list(range(100))


def test_without_the_rows_it_says_what_it_needs(tmp_path):
    with pytest.raises(SystemExit, match="There are no mmlu_"):
        router.read_mmlu(tmp_path)


def test_promises_are_counted(monkeypatch):
    monkeypatch.setattr(guarantee, "WISHES", ((0.1, 0.9),))
    draw = guarantee.split_pair(labelled.make_evidence(300))
    kept = guarantee.count_broken(draw, net=True, splits=6)[0]
    assert kept["splits"] == 6 and kept["met"] >= 5 and kept["broken"] <= kept["allowed"]
    assert "at most" in guarantee.render({"sources": {"made up": {"net": [kept]}}})
    assert guarantee._allowed(200, 0.1) == stats.binom.ppf(0.975, 200, 0.1)
