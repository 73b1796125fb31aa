"""Sentences with one right translation: the families of sentence that the translation task draws from.

Each family is a pair of functions: `draw` chooses slots without knowing any language, `write` says them.
"""

from camelid.text.world import acts, days, states
from camelid.text.world.draws import Draws, Slots

FAMILIES = acts.FAMILIES | states.FAMILIES | days.FAMILIES
_WEIGHTS = {name: family.weight for name, family in FAMILIES.items()}


def draw(draws: Draws) -> Slots:
    """Return the slots of one sentence; with its family."""
    name = draws.weighted(_WEIGHTS)
    return {"scene": "sentence", "family": name, **FAMILIES[name].draw(draws)}


def write(slots: Slots, lang: str) -> str:
    """Return the sentence of the slots in a language."""
    return FAMILIES[slots["family"]].write(slots, lang)
