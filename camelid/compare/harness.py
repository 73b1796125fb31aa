"""camelid's models inside lm-evaluation-harness: the registered model class "camelid".

Importing this module registers it, and brings in lm-evaluation-harness and with it torch; nothing else here
does. Prompts are cut into tokens and choices weighed as `scoring` does, so that both give the same numbers.
"""

import itertools
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from camelid.compare.scoring import generate_together, weigh_choices
from camelid.errors import CamelidError, DataError, MissingExtraError, RequestError, suggest
from camelid.generate.backend import Backend
from camelid.generate.load import load_model
from camelid.generate.native_backend import NativeModel
from camelid.generate.sampling import SamplingSettings
from camelid.model.folder import PAIR
from camelid.model.pairfile import read_pair_file
from camelid.native.packing import Weights
from camelid.text.records import Message
from camelid.text.tokenizer import Tokenizer

try:
    import lm_eval
    from lm_eval.api.model import TemplateLM
    from lm_eval.api.registry import register_model
    from lm_eval.tasks import TaskManager
    from lm_eval.utils import get_rolling_token_windows, make_disjoint_window
except ModuleNotFoundError as error:
    raise MissingExtraError("lm-eval", "eval") from error

BOOTSTRAP_RUNS = 1000  # of metrics without a formula for their error; the harness' own 100,000 take minutes


@register_model("camelid")
class HarnessModel(TemplateLM):  # type: ignore[misc]
    """A model folder, or one of a pair, as lm-evaluation-harness asks models."""

    def __init__(
        self,
        path: str,
        role: str = "",
        weights: Weights | None = None,
        threads: int | None = None,
        max_gen_toks: int = 128,
        batch_size: int | str = 1,
        device: str | None = None,
        **_: Any,
    ) -> None:
        """Load a model.

        role: which one of a pair folder. weights, threads: see `load_model`. max_gen_toks: where a task does
            not say it. batch_size, device: what the harness always gives; the engine answers many at once.
        """
        super().__init__()
        folder = Path(path)
        if role:
            roles = read_pair_file(folder).roles
            if role not in roles:
                raise RequestError(f"A pair has no model {role!r}.{suggest(role, roles)}")
            folder = folder / roles[role].folder
        elif (folder / PAIR).is_file():
            raise RequestError(f"{folder} is a pair. Say which one: role=llama or role=alpaca.")
        self.words = Tokenizer.load(folder)
        self.backend_model: Backend = load_model(folder, weights=weights, threads=threads)
        self.max_gen_toks = max_gen_toks

    @property
    def eot_token_id(self) -> int:
        """Return the token that ends a text."""
        return self.words.eos_id

    @property
    def prefix_token_id(self) -> int:
        """Return the token that a text begins with."""
        return self.words.bos_id

    @property
    def tokenizer_name(self) -> str:
        """Return what tells the tokenizer from others, for the harness' cache."""
        return self.words.fingerprint

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: Any) -> list[int]:
        """Return the tokens of a text with the first one before it, or of what the chat template wrote."""
        if self._is_rendered(string):
            return self.words.encode_rendered(string)[0]
        first = [] if add_special_tokens is False else [self.words.bos_id]
        return [*first, *self.words.encode(string)]

    def chat_template(self, chat_template: bool | str = False) -> str | None:
        """Return the chat template's source, for the harness' record."""
        return self.words.template.source if chat_template and self.words.template else None

    def apply_chat_template(
        self, chat_history: Sequence[Mapping[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """Return a conversation as the chat template writes it.

        Raises RequestError when the model has none.
        """
        if self.words.template is None:
            raise RequestError("This model has no chat template. Leave --chat out.")
        turns = [Message(turn["role"], turn["content"]) for turn in chat_history]
        return self.words.template.render(turns, add_generation_prompt=add_generation_prompt)

    def _loglikelihood_tokens(
        self, requests: Sequence[tuple[tuple[str, str], list[int], list[int]]], **_: Any
    ) -> list[tuple[float, bool]]:
        weighed: list[tuple[float, bool]] = []
        for _before, group in itertools.groupby(requests, key=lambda request: request[1]):
            weighed += weigh_choices(self.backend_model, [(before, own) for _, before, own in group])
        return weighed

    def loglikelihood_rolling(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[float]:
        """Return the log-probability of whole texts, in windows of the context where they are longer."""
        return [self._weigh_text(request.args[0]) for request in requests]

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        """Return what the model answers, cut before the first of the texts that end an answer."""
        replies = [""] * len(requests)
        order = sorted(range(len(requests)), key=lambda place: str(requests[place].args[1]))
        for _, group in itertools.groupby(order, key=lambda place: str(requests[place].args[1])):
            places = list(group)
            wishes = dict(requests[places[0]].args[1])
            settings = self._settings(wishes)
            room = self.backend_model.context - min(settings.max_tokens, self.backend_model.context // 2)
            prompts = [(str(place), self.tok_encode(requests[place].args[0])[-room:]) for place in places]
            for name, tokens in self._generate(prompts, settings):
                replies[int(name)] = cut_before(self.words.decode(tokens), wishes.get("until") or ())
        return replies

    def _generate(
        self, prompts: Sequence[tuple[str, list[int]]], settings: SamplingSettings
    ) -> list[tuple[str, list[int]]]:
        stop_ids, model = self.words.stop_ids, self.backend_model
        if isinstance(model, NativeModel):
            together = generate_together(model, prompts, settings, stop_ids=stop_ids)
            return [(name, generation.tokens) for name, generation in together]
        wished = {"max_tokens": settings.max_tokens, "temperature": settings.temperature}
        return [(name, list(model.generate(ids, stop_ids=stop_ids, **wished))) for name, ids in prompts]  # type: ignore[arg-type]

    def _settings(self, wishes: Mapping[str, Any]) -> SamplingSettings:
        """Return how to draw: greedily, unless the task says otherwise."""
        temperature = float(wishes.get("temperature") or 0) if wishes.get("do_sample") else 0.0
        return SamplingSettings(
            max_tokens=int(wishes.get("max_gen_toks") or self.max_gen_toks),
            temperature=temperature,
            seed=0 if temperature else None,
        )

    def _weigh_text(self, text: str) -> float:
        windows = get_rolling_token_windows(
            token_list=self.words.encode(text),
            prefix_token=self.prefix_token_id,
            max_seq_len=self.backend_model.context,
            context_len=1,
        )
        pairs = [make_disjoint_window(window) for window in windows]
        return sum(weigh_choices(self.backend_model, [pair])[0][0] for pair in pairs)

    def _is_rendered(self, text: str) -> bool:
        template = self.words.template
        begins = template.special_tokens.get("bos_token", "") if template else ""
        return bool(begins) and text.startswith(begins)


def cut_before(text: str, ends: str | Sequence[str]) -> str:
    """Return a text up to the first of these."""
    for end in (ends,) if isinstance(ends, str) else ends:
        if end:
            text = text.split(end)[0]
    return text


def run_harness(
    model: HarnessModel,
    tasks: Sequence[str],
    *,
    include_path: Path | None,
    limit: int | None = None,
    num_fewshot: int | None = None,
    chat: bool = False,
    seed: int = 0,
) -> dict[str, Any]:
    """Return what lm-evaluation-harness finds: its "results", "samples" and what else it tells.

    Raises DataError for a task that neither the harness nor the folder has.
    """
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    manager = _find_tasks(tasks, include_path)
    try:
        found = lm_eval.simple_evaluate(
            model=model,
            tasks=list(tasks),
            task_manager=manager,
            limit=limit,
            num_fewshot=num_fewshot,
            apply_chat_template=chat,
            bootstrap_iters=BOOTSTRAP_RUNS,
            log_samples=True,
            random_seed=seed,
            numpy_random_seed=seed,
            torch_random_seed=seed,
            fewshot_random_seed=seed,
        )
    except CamelidError:
        raise
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
    ) as problem:  # of its data, or of a task as it is written
        raise DataError(
            f"lm-evaluation-harness could not run {', '.join(tasks)} ({type(problem).__name__}: {problem}). "
            "The harness' own tasks need the network; of your own, check the YAML and where its data are."
        ) from problem
    return dict(found or {})


def _find_tasks(tasks: Sequence[str], include_path: Path | None) -> TaskManager:
    """Return where the harness looks tasks up: in the folder alone if it has them all, which is much sooner.

    Raises DataError for a task that neither the folder nor the harness has.
    """
    if include_path is not None and not include_path.is_dir():
        raise DataError(f"There is no folder {include_path} with tasks. Check --include-path.")
    places = [str(include_path)] if include_path else None
    if places:
        own = TaskManager(include_path=places, include_defaults=False)
        if all(own.match_tasks([task]) for task in tasks):
            return own
    manager = TaskManager(include_path=places)
    for task in tasks:
        if not manager.match_tasks([task]):
            near = suggest(task, manager.all_tasks)
            near = near if near.startswith(" Did") else " Name the folder of your own with --include-path."
            raise DataError(f"lm-evaluation-harness has no task {task!r}.{near}")
    return manager
