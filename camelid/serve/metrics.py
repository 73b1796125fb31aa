"""Figures for Prometheus: requests and tokens, times, the queue, the caches, guesses, and who was chosen.

Each process counts for itself; with several workers each answers /metrics with its own.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from camelid.generate.engine import Load

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
_GAPS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """What has happened since the process began."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = self._count("requests", "Requests.", ["door", "model", "outcome"])
        self.replies = self._count("replies", "Replies by how they ended.", ["model", "finish"])
        self.prompt_tokens = self._count("prompt_tokens", "Tokens of prompts.")
        self.reused_tokens = self._count("reused_tokens", "Tokens of prompts that were in the cache.")
        self.tokens = self._count("completion_tokens", "Tokens of replies.")
        self.drafted = self._count("drafted_tokens", "Tokens guessed ahead.")
        self.accepted = self._count("accepted_tokens", "Guesses that were right.")
        self.routed = self._count("routed", "Whom auto chose.")
        self.first_token = self._time("time_to_first_token_seconds", "To the first token.", _SECONDS)
        self.gap = self._time("inter_token_seconds", "From token to token.", _GAPS)
        self.total = self._time("reply_seconds", "From a request to the end of its reply.", _SECONDS)

    def _count(self, name: str, told: str, labels: Sequence[str] = ("model",)) -> Counter:
        return Counter(name, told, labels, namespace="camelid", registry=self._registry)

    def _time(self, name: str, told: str, buckets: Sequence[float]) -> Histogram:
        return Histogram(name, told, ["model"], namespace="camelid", registry=self._registry, buckets=buckets)

    def watch(
        self, gauges: Callable[[], Iterable[tuple[str, str, float]]], loads: Callable[[], dict[str, Load]]
    ) -> None:
        """Ask for these whenever somebody reads the metrics.

        gauges: names, what they mean, and values. loads: of the native engines, by model.
        """
        self._registry.register(_Live(gauges, loads))

    def write(self) -> bytes:
        """Return all in Prometheus' text format."""
        return generate_latest(self._registry)


class _Live(Collector):
    def __init__(
        self, gauges: Callable[[], Iterable[tuple[str, str, float]]], loads: Callable[[], dict[str, Load]]
    ) -> None:
        self._gauges, self._loads = gauges, loads

    def collect(self) -> Iterator[Metric]:
        """Yield what is read from the server as it is now."""
        for name, told, value in self._gauges():
            yield GaugeMetricFamily(f"camelid_{name}", told, value)
        loads = self._loads()
        blocks = GaugeMetricFamily("camelid_cache_blocks", "Blocks of the cache.", labels=["model", "state"])
        busy = GaugeMetricFamily("camelid_engine_requests", "In the engine.", labels=["model", "state"])
        steps = CounterMetricFamily("camelid_engine_steps", "Steps of the engine.", labels=["model"])
        preemptions = CounterMetricFamily("camelid_preemptions", "Replies put back.", labels=["model"])
        for model, load in loads.items():
            used = load.blocks - load.free_blocks - load.cached_blocks
            for state, count in (("used", used), ("kept", load.cached_blocks), ("free", load.free_blocks)):
                blocks.add_metric([model, state], count)
            for state, count in (("running", load.running), ("waiting", load.waiting)):
                busy.add_metric([model, state], count)
            steps.add_metric([model], load.counters.steps)
            preemptions.add_metric([model], load.counters.preemptions)
        yield from (blocks, busy, steps, preemptions)
