"""How a translation is asked for: phrasings in four languages, and English ones for all the others.

Which phrasing a pair gets depends on its text alone, so a second reading gives the same records.
"""

import zlib
from collections.abc import Sequence
from functools import cache
from typing import TypeVar

from camelid.text.languages import LANGUAGE_NAMES

T = TypeVar("T")

# By the language of the request. {into} and {from} are "into German", "from German"; {name} is "German".
_PHRASINGS = {
    "en": (
        "Translate {into}: {text}",
        "Translate {from} {into}:\n{text}",
        "How do you say this in {name}?\n{text}",
        "What is the {name} translation of this sentence?\n{text}",
        "Say it in {name}: {text}",
    ),
    "de": (
        "Übersetze {into}: {text}",
        "Übersetze {from} {into}:\n{text}",
        "Wie sagt man das auf {name}?\n{text}",
        "Wie lautet dieser Satz auf {name}?\n{text}",
        "Sag es auf {name}: {text}",
    ),
    "fr": (
        "Traduis {into} : {text}",
        "Traduis {from} {into} :\n{text}",
        "Comment dit-on cela en {name} ?\n{text}",
        "Quelle est la traduction de cette phrase {into} ?\n{text}",
        "Dis-le en {name} : {text}",
    ),
    "es": (
        "Traduce {into}: {text}",
        "Traduce {from} {into}:\n{text}",
        "¿Cómo se dice esto en {name}?\n{text}",
        "¿Cuál es la traducción de esta frase {into}?\n{text}",
        "Dilo en {name}: {text}",
    ),
}
_Names = dict[str, tuple[str, str, str]]  # language to (into, from, name)
_NAMES: dict[str, _Names] = {
    "en": {code: (f"into {name}", f"from {name}", name) for code, name in LANGUAGE_NAMES.items()},
    "de": {
        "en": ("ins Englische", "aus dem Englischen", "Englisch"),
        "de": ("ins Deutsche", "aus dem Deutschen", "Deutsch"),
        "fr": ("ins Französische", "aus dem Französischen", "Französisch"),
        "es": ("ins Spanische", "aus dem Spanischen", "Spanisch"),
    },
    "fr": {
        "en": ("en anglais", "de l'anglais", "anglais"),
        "de": ("en allemand", "de l'allemand", "allemand"),
        "fr": ("en français", "du français", "français"),
        "es": ("en espagnol", "de l'espagnol", "espagnol"),
    },
    "es": {
        "en": ("al inglés", "del inglés", "inglés"),
        "de": ("al alemán", "del alemán", "alemán"),
        "fr": ("al francés", "del francés", "francés"),
        "es": ("al español", "del español", "español"),
    },
}


def ask_translation(text: str, source: str, target: str) -> str:
    """Return a request to translate `text`, phrased in one of the two languages or in English.

    source, target: language codes.
    """
    before, after = pick(_phrasings(source, target), text + target)
    return f"{before}{text}{after}"


def pick(choices: Sequence[T], text: str) -> T:
    """Return the choice that belongs to `text`: always the same one, and each about equally often."""
    return choices[zlib.crc32(text.encode()) % len(choices)]


@cache
def _phrasings(source: str, target: str) -> tuple[tuple[str, str], ...]:
    """Return what stands before and after the text, for each phrasing of one direction."""
    spoken = [lang for lang in (source, target) if {source, target} <= _NAMES.get(lang, {}).keys()]
    phrasings = []
    for lang in spoken or ["en"]:
        into, origin, name = _NAMES[lang][target][0], _NAMES[lang][source][1], _NAMES[lang][target][2]
        for phrasing in _PHRASINGS[lang]:
            filled = phrasing.replace("{into}", into).replace("{from}", origin).replace("{name}", name)
            before, _, after = filled.partition("{text}")
            phrasings.append((before, after))
    return tuple(phrasings)
