"""The shape of a prompt: how it is written, in numbers, whatever it is about.

Made for questions with lettered choices, as tests have them; of other prompts the parts about choices are 0.
"""

import math
import re
import statistics

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_CHOICE = re.compile(r"[A-D]\. ")
_YEAR = re.compile(r"\b1[789]\d\d\b|\b20\d\d\b")
_OPENERS = (
    *("which", "what", "the", "a", "an", "in", "according", "how", "if", "this", "who", "when"),
    *("for", "let", "find", "statement", "as", "calculate", "why"),
)
_WORDS = ("best", "most", "following", "true")
_SIGNS = (";", "_", "___", "$", "\\", "^", "=", "\\frac", "Statement", "NOT", '"')
_LOGIC = re.compile(r"[∀∃⊃≡∨~•]")


def shape_of(prompts: list[str]) -> Floats:
    """Return the shapes of prompts, (N, P)."""
    return np.array([_measure(prompt) for prompt in prompts], np.float64)


def _measure(prompt: str) -> list[float]:
    lines = prompt.split("\n")
    choices = [line[3:] for line in lines if _CHOICE.match(line)]
    question = prompt.split("\nA. ")[0]
    lower = question.lower()
    words = lower.split()
    return [
        *_sizes(prompt, question, words),
        *_about_choices(choices),
        *(float(bool(words) and words[0] == opener) for opener in _OPENERS),
        *(float(word in words) for word in _WORDS),
        *(float(sign in prompt) for sign in _SIGNS),
        float(question.rstrip().endswith("?")),
        float(question.rstrip().endswith(".")),
        float(" i " in f" {lower} "),
        float("year-old" in lower),
        float("passage" in lower or "refers to" in lower),
        float("except" in lower),
        float(bool(_YEAR.search(question))),
        float(bool(_LOGIC.search(prompt))),
    ]


def _sizes(prompt: str, question: str, words: list[str]) -> list[float]:
    num = len(words) + 1
    return [
        math.log1p(len(prompt)),
        math.log1p(len(question)),
        math.log1p(len(words)),
        math.log1p(len(set(words))),
        len(set(words)) / num,
        sum(len(word) > 8 for word in words) / num,
        sum(map(len, prompt.split())) / (len(prompt.split()) + 1),
        float(question.count("\n")),
        float(question.count(".")),
        sum(map(str.isdigit, question)) / (len(question) + 1),
        sum(map(str.isupper, prompt)) / (len(prompt) + 1),
    ]


def _about_choices(choices: list[str]) -> list[float]:
    if not choices:
        return [0.0] * 14
    sizes = [math.log1p(len(choice)) for choice in choices]
    words = [word for choice in choices for word in choice.lower().split()]
    low = [choice.strip().lower() for choice in choices]
    num = len(choices)
    return [
        statistics.fmean(sizes),
        max(sizes),
        min(sizes),
        statistics.pstdev(sizes),
        sum(character.isdigit() for choice in choices for character in choice) / (sum(map(len, choices)) + 1),
        sum(bool(choice) and sum(map(str.isdigit, choice)) * 2 >= len(choice.strip()) for choice in low)
        / num,
        len(set(words)) / (len(words) + 1),
        float(any("none of" in choice or "all of" in choice for choice in low)),
        sum(choice in ("true, true", "true, false", "false, true", "false, false") for choice in low) / num,
        float(any(choice in ("true", "false", "yes", "no", "wrong, wrong") for choice in low)),
        float(all(len(choice) < 14 for choice in low)),
        sum(choice[:1].isupper() for choice in choices) / num,
        sum(choice.rstrip().endswith(".") for choice in choices) / num,
        sum("," in choice for choice in choices) / num,
    ]
