"""The model "auto": which router judges a request, and what it may promise of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camelid.errors import CheckpointError
from camelid.route.folder import ROUTER, load_router
from camelid.route.past import Conversations
from camelid.route.router import Router
from camelid.serve.refusals import Refusal


@dataclass(frozen=True)
class Ruling:
    """How one request is judged: by a router, or without one by the Llama, and why."""

    router: Router | None
    reason: str = ""


class Routing:
    """The router of a pair folder, and whose the latest conversations were, which only saves work.

    problem: why there is none, in words.
    """

    def __init__(self, folder: Path) -> None:
        self.conversations = Conversations()
        self.router: Router | None = None
        self.problem = (
            f"The model 'auto' needs a router, which this pair does not have yet. Run: camelid calibrate "
            f"{folder}, and start the server again; or ask for 'llama', 'alpaca' or 'blend'."
        )
        try:
            self.router = load_router(folder)
        except CheckpointError as error:
            self.problem = str(error)

    @staticmethod
    def is_there(folder: Path) -> bool:
        """Tell whether a pair folder has a router."""
        return (folder / ROUTER).is_file()

    def rule(self, max_loss: float | None) -> Ruling:
        """Return how a request is judged that may lose so much quality against always asking the Llama.

        A smaller loss than calibration has shown to be kept is kept by asking the Llama.

        Raises Refusal without a router.
        """
        if self.router is None:
            raise Refusal(self.problem, code="model_not_calibrated", param="model")
        if max_loss is None:
            return Ruling(self.router)
        kept = [step for step in _promises(self.router) if step[0] <= max_loss]
        if kept:
            return Ruling(self.router.at(max(kept)[1]))
        return Ruling(
            None,
            f"calibration has not shown that at most {max_loss:g} is lost otherwise, so the Llama was asked",
        )


def _promises(router: Router) -> list[tuple[float, float]]:
    """Return the losses that calibration has shown to be kept, and the threshold of each."""
    told: Any = router.evidence
    steps = [(float(step["max_loss"]), float(step["threshold"])) for step in told.get("promises") or ()]
    if promise := told.get("promise"):
        steps.append((float(promise["max_loss"]), router.threshold))
    return steps
