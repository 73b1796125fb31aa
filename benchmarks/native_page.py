"""The native engine's figures as tables, and its targets, each with whether it was reached."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import stored

Runs = Sequence[dict[str, Any]]
BARE = "bare"  # the variant that no user has
FLASH = "flash attention on"
BEST = ""  # of a target: whichever type is fastest


@dataclass(frozen=True)
class Target:
    """A ratio that is to be reached: our rate to a peer's, by shape.

    figure: of PLAN, such as "decode_512". ours, theirs: types of weights; BEST for the fastest of all.
    peers: whose rates count.
    """

    label: str
    figure: str
    ours: str
    theirs: str
    least: dict[str, float]
    peers: tuple[str, ...] = ("llama.cpp",)


@dataclass(frozen=True)
class ShareTarget:
    """A share of the machine's read bandwidth that decoding is to reach, by shape."""

    label: str
    figure: str
    ours: str
    least: dict[str, float]


def _least(*ratios: float) -> dict[str, float]:
    return dict(zip(("15m", "30m", "110m", "1b"), ratios, strict=True))


ALL_PEERS = ("llama.cpp", "ctranslate2", "transformers")
TARGETS = (
    Target("decode after 512 tokens, int8 : Q8_0", "decode_512", "int8", "Q8_0", _least(5, 2.4, 1.5, 1.15)),
    Target("decode after 512 tokens, int4 : Q4_0", "decode_512", "int4", "Q4_0", _least(4.5, 3.5, 2, 1.2)),
    Target("decode after 8 tokens, int8 : Q8_0", "decode_8", "int8", "Q8_0", _least(3, 2, 1.5, 1.15)),
    Target("decode after 8 tokens, int4 : Q4_0", "decode_8", "int4", "Q4_0", _least(3, 3, 2, 1.2)),
    Target("prefill of 512, best : best", "prefill_512", BEST, BEST, _least(1.2, 1.2, 1.2, 1.1), ALL_PEERS),
    Target("16 streams, int8 : Q8_0", "streams", "int8", "Q8_0", _least(3, 2.5, 2, 1.3)),
    Target("16 streams, int4 : Q4_0", "streams", "int4", "Q4_0", _least(3, 2.5, 2, 1.3)),
)
_LARGE = {"110m": 0.85, "1b": 0.85}
SHARE_TARGETS = (
    ShareTarget("of the read bandwidth, after 512 tokens, int8", "decode_512", "int8", _LARGE),
    ShareTarget("of the read bandwidth, after 512 tokens, int4", "decode_512", "int4", _LARGE),
)
FIGURES = {
    "decode_8": "decode after 8",
    "decode_512": "decode after 512",
    "prefill_512": "prefill of 512",
    "streams": "16 streams",
}


# --- arithmetic -------------------------------------------------------------------------------------------


def rate_of(run: dict[str, Any], figure: str) -> float | None:
    """Return the median rate of the rounds of a run, by the variant of the settings that is best at it."""
    rates = _by_variant(run, figure)
    return max(rates.values()) if rates else None


def best_variant(runs: Runs, figure: str) -> str:
    """Return the settings that are best at a figure most often."""
    found = [_by_variant(run, figure) for run in runs]
    return statistics.mode(max(rates, key=rates.__getitem__) for rates in found if rates)


def _by_variant(run: dict[str, Any], figure: str) -> dict[str, float]:
    return {
        variant: statistics.median(rates[figure])
        for variant, rates in run["found"].items()
        if variant != BARE and figure in rates
    }


def of_type(runs: Runs, peers: Sequence[str], type_: str) -> list[dict[str, Any]]:
    """Return the runs of some contenders in one type of weights, or in all of them."""
    wished = {f"{peer} {type_}" for peer in peers}
    return [
        run
        for run in runs
        if run["contender"] in wished or (not type_ and run["contender"].split()[0] in peers)
    ]


def best_rate(runs: Runs, figure: str) -> float | None:
    """Return the highest rate of some runs that were beside each other."""
    rates = [rate for run in runs if (rate := rate_of(run, figure)) is not None]
    return max(rates) if rates else None


def ratios(target: Target, runs: Runs) -> list[float]:
    """Return our rate over the peer's for each repeat; nothing where one of them was not measured."""
    found = []
    for repeat in sorted({run["repeat"] for run in runs}):
        beside = [run for run in runs if run["repeat"] == repeat]
        ours = best_rate(of_type(beside, ("camelid",), target.ours), target.figure)
        theirs = best_rate(of_type(beside, target.peers, target.theirs), target.figure)
        if ours and theirs:
            found.append(ours / theirs)
    return found


def shares(figure: str, weights: str, data: dict[str, Any]) -> list[float]:
    """Return what share of the best bandwidth that was measured decoding used, for each repeat."""
    bandwidth = max(data["bandwidth_bytes_per_s"])
    return [
        rate * run["token_bytes"][figure] / bandwidth
        for run in of_type(data["runs"], ("camelid",), weights)
        if (rate := rate_of(run, figure)) is not None
    ]


def judge(found: list[float], least: float | None) -> str:
    """Return "reached" or "missed", by the median; "" without a target or a measurement."""
    if least is None or not found:
        return ""
    return "reached" if statistics.median(found) >= least else "missed"


def verdicts(shapes: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return for each target and shape that was measured its label, the shape and whether it was reached."""
    found = []
    for shape, data in shapes.items():
        for target in TARGETS:
            verdict = judge(ratios(target, data["runs"]), target.least.get(shape))
            found.append((target.label, shape, verdict))
        for share in SHARE_TARGETS:
            verdict = judge(shares(share.figure, share.ours, data), share.least.get(shape))
            found.append((share.label, shape, verdict))
    return [each for each in found if each[2]]


# --- text -------------------------------------------------------------------------------------------------


def say_run(run: dict[str, Any], plan: dict[str, Any]) -> str:
    """Return a run's rates on one line."""
    rates = [(label, rate_of(run, figure)) for figure, label in FIGURES.items()]
    return ", ".join(f"{label} {rate:,.0f}" for label, rate in rates if rate) + " tokens/s"


def render(data: dict[str, Any]) -> str:
    """Return the tables of docs/numbers.md."""
    if not data["shapes"]:
        return "No shape was measured yet."
    shapes = {shape: result["data"] for shape, result in data["shapes"].items()}
    plan = next(iter(shapes.values()))["plan"]
    found = [verdict for *_, verdict in verdicts(shapes)]
    parts = [
        f"Random weights, the same for all; {plan['threads']} threads; tokens/s. Each contender runs in a "
        "process of its own, in turn, several times over: medians, with the lowest and the highest; ratios "
        "are of runs side by side. llama.cpp runs with flash attention on and off, and of many streams with "
        "one cache and with one for each: the better counts. Its Q4_0 files hold the head in Q4_0, too, as "
        "int4 does. What was asked of the engine, and what came of it, the peer in parentheses "
        f"where it is not llama.cpp: {found.count('reached')} of {len(found)} reached.",
        _target_table(shapes),
        *(_speed_part(shape, data["shapes"][shape]) for shape in shapes),
        "What Python costs: the engine as users have it, beside its native step in a bare loop, after 512 "
        "tokens. What a token needs is all weights, and the keys and values before it; the bandwidth is the "
        "best that two threads reached reading memory in the same run. More than 100% comes from the caches.",
        _limit_table(shapes),
    ]
    return "\n\n".join(parts)


def _target_table(shapes: dict[str, Any]) -> str:
    rows = []
    for target in TARGETS:
        cells = [
            _target_cell(ratios(target, data["runs"]), target.least.get(shape), "{:.2f}×".format)
            + _name_peer(target, data["runs"])
            for shape, data in shapes.items()
        ]
        rows.append([target.label, *cells])
    for share in SHARE_TARGETS:
        cells = [
            _target_cell(shares(share.figure, share.ours, data), share.least.get(shape), "{:.0%}".format)
            for shape, data in shapes.items()
        ]
        rows.append([share.label, *cells])
    return stored.table(["", *shapes], rows)


def _target_cell(found: list[float], least: float | None, say: Any) -> str:
    if not found:
        return "" if least is None else "not measured"
    if least is None:
        return say(statistics.median(found))
    return f"{_spread(found, say)} of {say(least)}: {judge(found, least)}"


def _name_peer(target: Target, runs: Runs) -> str:
    """Return whose best it was, where any peer's counts."""
    if target.theirs or not ratios(target, runs):
        return ""
    rates = {}
    for name in dict.fromkeys(run["contender"] for run in of_type(runs, target.peers, BEST)):
        own = [rate for run in runs if run["contender"] == name and (rate := rate_of(run, target.figure))]
        rates[name] = statistics.median(own) if own else 0.0
    return f" ({max(rates, key=rates.__getitem__)})"


def _speed_part(shape: str, result: dict[str, Any]) -> str:
    data = result["data"]
    rows = []
    for name in dict.fromkeys(run["contender"] for run in data["runs"]):
        own = [run for run in data["runs"] if run["contender"] == name]
        memory = statistics.median(run["peak_bytes"] for run in own) / 2**20
        agreement = min(run["agreement"] for run in own)
        cells = [_rate_cell(own, figure) for figure in FIGURES]
        rows.append([name, *cells, f"{memory:,.0f}", f"{agreement:.3f}"])
    columns = ["", *FIGURES.values(), "peak memory, MiB", "logits agree"]
    return (
        f"### {shape}: {data['parameters'] / 1e6:,.1f}M parameters\n\n{stored.caption(result)}; "
        f"{data['repeats']} runs of each. ᶠ: with flash attention.\n\n{stored.table(columns, rows)}"
    )


def _rate_cell(runs: Runs, figure: str) -> str:
    found = [rate for run in runs if (rate := rate_of(run, figure)) is not None]
    if not found:
        return ""
    mark = " ᶠ" if FLASH in best_variant(runs, figure) else ""
    return _spread(found, _say_rate) + mark


def _limit_table(shapes: dict[str, Any]) -> str:
    rows = []
    for shape, data in shapes.items():
        for run in dict.fromkeys(run["contender"] for run in data["runs"]):
            peer, weights = run.split(maxsplit=1)
            if peer == "camelid":
                rows.append([f"{shape} · {weights}", *_limit_cells(weights, data)])
    columns = ["", "engine", "native step", "Python, µs a token", "MB a token", "GB/s",
               "of the bandwidth after 8", "after 512"]  # fmt: skip
    return stored.table(columns, rows)


def _limit_cells(weights: str, data: dict[str, Any]) -> list[str]:
    own = of_type(data["runs"], ("camelid",), weights)
    engine = statistics.median(rate_of(run, "decode_512") or 0.0 for run in own)
    bare = statistics.median(statistics.median(run["found"][BARE]["decode_512"]) for run in own)
    token_bytes = own[0]["token_bytes"]["decode_512"]
    shown = [
        f"{statistics.median(shares(figure, weights, data)):.0%}" for figure in ("decode_8", "decode_512")
    ]
    return [
        _say_rate(engine),
        _say_rate(bare),
        f"{1e6 * (1 / engine - 1 / bare):.1f}",
        f"{token_bytes / 1e6:,.1f}",
        f"{token_bytes * engine / 1e9:.1f} of {max(data['bandwidth_bytes_per_s']) / 1e9:.1f}",
        *shown,
    ]


def _spread(found: Sequence[float], say: Any) -> str:
    middle = say(statistics.median(found))
    return f"{middle} ({say(min(found))}–{say(max(found))})" if len(found) > 1 else middle


def _say_rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}"
