"""How much a step may take on, learnt from how long the last ones took."""


class Pace:
    """How many tokens of prompts a step may read, learnt from how long the last steps took."""

    STEP_S = 0.04  # beside running streams, whose readers should not notice
    ALONE_S = 0.2  # when only a newcomer or a cancellation waits
    FIRST, LEAST = 32, 8  # tokens, before anything is known; and however slow the machine
    LONGEST = 32  # steps of a burst

    def __init__(self, most: int, burst_s: float = 0.0) -> None:
        self._most, self._burst_s = most, burst_s
        self._token_s = self._decode_s = 0.0

    def tokens(self, *, alone: bool) -> int:
        """Return how many tokens may be read."""
        time_s = self.ALONE_S if alone else self.STEP_S - self._decode_s
        wished = int(time_s / self._token_s) if self._token_s else self.FIRST
        return min(self._most, max(self.LEAST, wished))

    def steps(self) -> int:
        """Return how many steps may follow each other in one call, while nothing but tokens is chosen."""
        wished = int(self._burst_s / self._decode_s) if self._decode_s else 1
        return min(self.LONGEST, max(1, wished))

    def learn(self, tokens: int, seconds: float, *, alone: bool) -> None:
        """Take in how long a step took that read so many tokens of prompts."""
        if not tokens:
            self._decode_s = _follow(self._decode_s, seconds, 0.2)
            return
        own_s = seconds if alone else max(seconds - self._decode_s, seconds / 8)
        share = min(1.0, tokens / self.tokens(alone=alone))  # a small slice tells little
        self._token_s = _follow(self._token_s, own_s / tokens, share)


def _follow(estimate: float, sample: float, weight: float) -> float:
    """Return an estimate drawn towards a sample, but not far: on a busy machine single steps take ages."""
    if not estimate:
        return sample
    drawn: float = estimate * min(1.5, max(0.5, sample / estimate)) ** weight
    return drawn
