"""Who, what and when: drawing them as slots, and writing them with article, adjective and case.

A subject's slot reads "name:Anna", "role:baker:f", "kin:sister", "pair:Anna+Leo", "i", "we" or "you";
a thing's slot reads "the:red:scarf", "a::cheese" or "3:brown:llama" (determiner, adjective, noun).
"""

from dataclasses import dataclass

from camelid.text.world.clauses import PRONOUNS
from camelid.text.world.draws import Draws
from camelid.text.world.grammar import Word
from camelid.text.world.lexicon import (
    ANIMALS,
    BUILT,
    COLORS,
    FAMILY,
    FOOD,
    FUTURE_TIMES,
    GOODS,
    NAMES,
    NUMBERS,
    PAST_TIMES,
    PRESENT_TIMES,
    ROLES,
    is_woman,
    join_words,
    noun,
    role,
    say,
)
from camelid.text.world.verbs import ME, SHE, THEY, WE, YOU

_WOMEN_OF_THE_FAMILY = ("sister", "mother", "grandmother", "aunt")
# A trade belongs to one person of the world, because English does not say whether she is a woman.
_WOMEN_OF_THE_VILLAGE = ("baker", "teacher", "vet", "singer", "painter")
_HEAVY = ("basket", "bag", "rug", "blanket", "ladder", "table", "chair", "bucket", "book", "bicycle")
_HAIR = ("white", "black", "brown", "grey")
_PLAIN = ("big", "small", "old", "beautiful")

# What a verb's kind of object can be.
KINDS: dict[str, tuple[str, ...]] = {
    "goods": (*GOODS, "cheese", "cake", "apple", "pear"),
    "small": ("scarf", "hat", "bag", "basket", "key", "letter", "book", "map", "ball"),
    "drawn": (*ANIMALS, "bicycle", "cart", "gate", "roof"),
    "animal": tuple(ANIMALS),
    "washed": (
        "dog",
        "horse",
        "sheep",
        "llama",
        "alpaca",
        "scarf",
        "blanket",
        "sweater",
        "rug",
        "apple",
        "pear",
    ),
    "built": (*BUILT, "cart", "chair", "table"),
    "opened": ("gate", "door", "window"),
    "food": ("cheese", "bread", "cake", "apple", "pear", "soup", "egg"),
    "baked": ("bread", "cake"),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject of one language: its text, its person, and its gender (0 masculine, 1 feminine)."""

    text: str
    person: int
    gender: int

    @property
    def plural(self) -> bool:
        """Tell whether adjectives and participles agree in the plural."""
        return self.person in (WE, THEY)


def draw_person(draws: Draws) -> str:
    """Return the slot of one person with a name, a trade or a place in the family."""
    kind = draws.weighted({"name": 5, "role": 3, "kin": 2})
    if kind == "name":
        return f"name:{draws.one(NAMES)}"
    if kind == "kin":
        return f"kin:{draws.of(FAMILY)}"
    trade = draws.of(ROLES)
    return f"role:{trade}:{'f' if trade in _WOMEN_OF_THE_VILLAGE else 'm'}"


def draw_subject(draws: Draws, *, you: bool = False) -> str:
    """Return the slot of a subject; "you" only where the sentence asks."""
    kind = draws.weighted({"person": 7, "pair": 1, "i": 1, "we": 1, "you": 1 if you else 0})
    if kind == "person":
        return draw_person(draws)
    if kind == "pair":
        return f"pair:{'+'.join(draws.some(NAMES, 2))}"
    return kind


def write_subject(slot: str, lang: str) -> Subject:
    """Return the subject of a slot."""
    kind, _, rest = slot.partition(":")
    if kind == "name":
        return Subject(rest, SHE, int(is_woman(rest)))
    if kind == "pair":
        names = rest.split("+")
        return Subject(join_words(lang, names), THEY, int(all(map(is_woman, names))))
    if kind in ("role", "kin"):
        return Subject(write_person(slot, lang, "nom"), SHE, int(is_person_woman(slot)))
    person = {"i": ME, "you": YOU, "we": WE}[kind]
    return Subject(PRONOUNS[lang][person], person, 0)


def is_person_woman(slot: str) -> bool:
    """Tell whether a person's slot names a woman."""
    kind, _, rest = slot.partition(":")
    if kind == "name":
        return is_woman(rest)
    return rest.endswith(":f") if kind == "role" else rest in _WOMEN_OF_THE_FAMILY


def write_person(slot: str, lang: str, case: str) -> str:
    """Return a person as an object in a case: Anna, the baker, my sister."""
    kind, _, rest = slot.partition(":")
    if kind == "name":
        return rest
    if kind == "kin":
        return noun(rest, lang).form("my", case)
    meaning, _, gender = rest.partition(":")
    return role(meaning, lang, woman=gender == "f").form("the", case)


def adjectives_for(meaning: str) -> tuple[str, ...]:
    """Return the adjectives that suit a noun."""
    if meaning in ANIMALS:
        return (*_HAIR, *_PLAIN)
    if meaning in ("apple", "pear"):
        return ("big", "small", "red", "green")
    if meaning in FOOD:
        return ("big", "small")
    if meaning in BUILT:
        return (*COLORS, "new", *_PLAIN)
    worth = ("new", *_PLAIN, "expensive", "cheap")
    return (*COLORS, *worth, "heavy") if meaning in _HEAVY else (*COLORS, *worth)


def draw_thing(draws: Draws, kind: str, *, definite: bool = False, counted: bool = True) -> str:
    """Return the slot of a thing that a kind of verb can take."""
    meaning = draws.one(KINDS[kind])
    adjective = draws.one(adjectives_for(meaning)) if draws.chance(0.6) else ""
    determiner = "the"
    if not definite:
        determiner = draws.weighted({"the": 4, "a": 4, "number": 2 if counted else 0})
    if determiner == "number":
        determiner = draws.of(NUMBERS)
    return f"{determiner}:{adjective}:{meaning}"


def thing_word(slot: str, lang: str) -> Word:
    """Return the noun with its adjective, without the determiner of the slot."""
    _, adjective, meaning = slot.split(":")
    return noun(meaning, lang, adjective)


def write_thing(slot: str, lang: str, case: str) -> str:
    """Return a thing in a case: "den roten Schal", "three brown llamas"."""
    determiner = slot.partition(":")[0]
    word = thing_word(slot, lang)
    if determiner in NUMBERS:
        counted = word.form("some.pl", case) if lang == "de" else word.forms["pl"]
        return f"{say(NUMBERS, determiner, lang)} {counted}"
    return word.form(determiner, case)


TIMES = {"past": PAST_TIMES, "present": PRESENT_TIMES, "future": FUTURE_TIMES}


def draw_time(draws: Draws, tense: str) -> str:
    """Return the slot of a time that suits a tense: "past:yesterday"."""
    return f"{tense}:{draws.of(TIMES[tense])}"


def write_time(slot: str, lang: str) -> str:
    """Return the time of a slot, "" for an empty one."""
    if not slot:
        return ""
    tense, _, meaning = slot.partition(":")
    return say(TIMES[tense], meaning, lang)


def write_object(slot: str, lang: str) -> str:
    """Return a thing as an object; Spanish puts "a" before a certain animal as before a person."""
    thing = write_thing(slot, lang, "acc")
    certain_animal = slot.startswith("the:") and slot.rpartition(":")[2] in ANIMALS
    return f"a {thing}" if lang == "es" and certain_animal else thing
