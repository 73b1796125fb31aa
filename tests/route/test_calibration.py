"""Laws of calibration: the wish is met on what was not learnt from, or it is said that it cannot be."""

import numpy as np
import pytest
from labelled import make_evidence

from camelid.errors import DataError, RequestError
from camelid.route.calibration import Target, calibrate, measure, route_seconds
from camelid.route.learning import contest, decide_all
from camelid.route.picture import draw_page, say_contest


def test_a_share_is_met_and_a_larger_one_asks_the_llama_no_less(evidence):
    shares = [calibrate(evidence, Target(share=share)).point.share for share in (0.0, 0.1, 0.3, 0.7, 1.0)]
    assert shares == pytest.approx([0.0, 0.1, 0.3, 0.7, 1.0], abs=0.01)


def test_the_share_holds_on_requests_to_come(evidence):
    found = calibrate(evidence, Target(share=0.3))
    fresh = make_evidence(600, seed=9)
    assert (decide_all(found.router, fresh) > found.router.threshold).mean() == pytest.approx(0.3, abs=0.08)


def test_a_latency_is_met_by_the_best_that_meets_it(evidence):
    found = calibrate(evidence, Target(p95_s=0.03))
    assert found.met and found.point.p95_s <= 0.03
    assert found.point.quality > measure(evidence, np.zeros(len(evidence), bool)).quality
    hopeless = calibrate(evidence, Target(p95_s=0.001))
    assert hopeless.router is None and not hopeless.met
    assert hopeless.answer.startswith("Cannot be met: the nearest is") and "ms" in hopeless.answer


def test_a_loss_is_promised_or_cannot_be_met():
    evidence = make_evidence(1200)
    found = calibrate(evidence, Target(max_loss=0.05, confidence=0.9))
    assert found.met and 0 < found.point.share < 1
    assert found.promise["loss"] < 0.05 and found.promise["p_value"] <= 0.1
    assert found.promise["tested_on"] == 600
    others = found.summary()["promises"]
    assert [each["threshold"] for each in others] == sorted(each["threshold"] for each in others)
    assert {"max_loss": 0.05, "threshold": found.router.threshold} in others
    worse = make_evidence(1200)
    worse.qualities[:, 0] = np.clip(worse.qualities[:, 1] - 0.5, 0, 1)
    unmet = calibrate(worse, Target(max_loss=0.01))
    assert unmet.router is None and "Cannot be met with any help of the Alpaca" in unmet.answer


def test_a_stricter_promise_asks_the_llama_no_less():
    evidence = make_evidence(1200)
    shares = [calibrate(evidence, Target(max_loss=loss)).point.share for loss in (0.03, 0.06, 0.12)]
    assert shares == sorted(shares, reverse=True)


def test_what_is_learnt_is_kept_only_where_it_beats_the_table():
    told, blind = contest(make_evidence(300)), contest(make_evidence(300, told=0.0))
    assert told.learned and told.ahead > 0 and told.surely > 0.95
    assert not blind.learned
    found = calibrate(make_evidence(300, told=0.0), Target(share=0.3))
    assert found.router.heads is None
    summary = found.summary()
    assert summary["kept"] == "table"
    assert "so the task table is the router" in say_contest(summary)
    assert "beats the task table" in say_contest(calibrate(make_evidence(300), Target(share=0.3)).summary())


def test_few_labels_make_a_table():
    found = calibrate(make_evidence(40), Target(share=0.5))
    assert found.router.heads is None and found.point.share == pytest.approx(0.5, abs=0.03)


def test_beside_the_router_stand_the_constants_the_mix_and_the_oracle(evidence):
    summary = calibrate(evidence, Target(share=0.3)).summary()
    areas = summary["areas"]
    assert areas["oracle"] > areas["learned"] > areas["table"] > areas["random"]
    assert summary["always_alpaca"]["share"] == 0 and summary["always_llama"]["share"] == 1
    page = draw_page("demo <b>", summary)
    assert "demo &lt;b&gt;" in page and "<script" not in page and "http" not in page
    assert all(word in page for word in ("task table", "learned router", "oracle", "random mix", "<svg"))


def test_time_is_that_of_both_where_both_are_asked(evidence):
    asked = np.zeros(len(evidence), bool)
    asked[0] = True
    seconds = route_seconds(evidence, asked)
    assert seconds[0] == evidence.first_s[0] + evidence.seconds[0, 1]
    assert (seconds[1:] == evidence.seconds[1:, 0]).all()
    assert (route_seconds(evidence, np.ones(len(evidence), bool)) == evidence.seconds[:, 1]).all()


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({}, "Wish for one thing: .* found 0. Give one of --llama-share"),
        ({"share": 0.3, "p95_s": 1.0}, "found 2"),
        ({"share": 1.2}, "share must lie between 0 and 1; found 1.2. Try 0.3"),
        ({"p95_s": 0.0}, "latency must be above 0; found 0 ms. Try 80"),
        ({"max_loss": 2.0}, "largest loss must lie between 0 and 1"),
        ({"max_loss": 0.1, "confidence": 0.2}, "confidence must be at least 0.5"),
    ],
)
def test_wishes_that_are_none(wish, message):
    with pytest.raises(RequestError, match=message):
        Target(**wish)


def test_too_few_labels_are_told():
    with pytest.raises(DataError, match=r"at least 20 labelled requests; found 12. Hold out more"):
        calibrate(make_evidence(12), Target(share=0.3))
    with pytest.raises(DataError, match=r"needs at least 228 labelled requests, half of them .* found 200"):
        calibrate(make_evidence(200), Target(max_loss=0.02))


def test_votes_say_nothing_of_times(evidence):
    mute = make_evidence(100)
    mute.seconds[:] = 0
    with pytest.raises(DataError, match="Votes say nothing of times"):
        calibrate(mute, Target(p95_s=0.1))
