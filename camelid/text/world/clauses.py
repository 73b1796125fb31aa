"""The clause: who does what, where and when, put into the word order of each language.

German is verb-second with the rest of the verb at the end; English asks with "do"; French with "est-ce que".
"""

from dataclasses import dataclass

from camelid.text.world.grammar import smooth
from camelid.text.world.verbs import ME, SHE, WE, YOU, auxiliary, verb

PRONOUNS = {
    "en": {ME: "I", YOU: "you", WE: "we"},
    "es": {ME: "", YOU: "", WE: ""},
    "de": {ME: "ich", YOU: "du", WE: "wir"},
    "fr": {ME: "je", YOU: "tu", WE: "nous"},
}


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause of one language, its parts already inflected.

    mood: "present", "past", "future", "want", "can" or "must". place and time may be empty.
    definite: whether the object is known: German then puts it before the time.
    negative: only with a definite object, which German "nicht" follows.
    """

    subject: str
    person: int
    meaning: str
    mood: str
    object: str
    place: str = ""
    time: str = ""
    definite: bool = False
    negative: bool = False
    question: bool = False
    time_first: bool = False


def _sentence(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _english(clause: Clause) -> str:
    word = verb(clause.meaning, "en")
    third = clause.person == SHE
    base, negation = word.infinitive, "not" if clause.negative else ""
    helper = {"past": "did", "future": "will", "can": "can"}.get(clause.mood, "does" if third else "do")
    if clause.mood in ("want", "must"):
        main = {"want": "want to", "must": "have to"}[clause.mood]
        base = f"{main} {word.infinitive}"
        finite = {"want": "wants to", "must": "has to"}[clause.mood] if third else main
        finite = f"{finite} {word.infinitive}"
    else:
        finite = {"past": word.past[0], "present": word.present[clause.person]}.get(clause.mood, "")
    subject, rest = clause.subject, _sentence(clause.object, clause.place)
    if clause.question:
        return _sentence(helper, subject, base, rest, clause.time) + "?"
    if negation or not finite:
        helper = "cannot" if negation and helper == "can" else _sentence(helper, negation)
        finite = _sentence(helper, base)
    if clause.time_first and clause.time:
        return f"{clause.time}, {_sentence(subject, finite, rest)}."
    return _sentence(subject, finite, rest, clause.time) + "."


def _spanish(clause: Clause) -> str:
    word = verb(clause.meaning, "es")
    if clause.mood in ("present", "past"):
        verbs = (word.present if clause.mood == "present" else word.past)[clause.person]
    else:
        link = {"future": "a", "must": "que"}.get(clause.mood, "")
        verbs = _sentence(auxiliary("es", clause.mood, clause.person), link, word.infinitive)
    verbs = f"no {verbs}" if clause.negative else verbs
    if clause.question:
        return f"¿{_sentence(verbs, clause.subject, clause.object, clause.place, clause.time)}?"
    if clause.time_first:
        return _sentence(clause.time, clause.subject, verbs, clause.object, clause.place) + "."
    return _sentence(clause.subject, verbs, clause.object, clause.place, clause.time) + "."


def _german(clause: Clause) -> str:
    word = verb(clause.meaning, "de")
    if clause.mood == "present":
        finite, last = word.present[clause.person], word.particle
    else:
        finite = auxiliary("de", clause.mood, clause.person)
        last = word.past[0] if clause.mood == "past" else word.infinitive
    negation = "nicht" if clause.negative else ""
    known_first = (clause.object, clause.time) if clause.definite else (clause.time, clause.object)
    ending = (negation, clause.place, last)
    if clause.question:
        return _sentence(finite, clause.subject, *known_first, *ending) + "?"
    if clause.time_first and clause.time:
        return _sentence(clause.time, finite, clause.subject, clause.object, *ending) + "."
    return _sentence(clause.subject, finite, *known_first, *ending) + "."


def _french(clause: Clause) -> str:
    word = verb(clause.meaning, "fr")
    if clause.mood == "present":
        finite, last = word.present[clause.person], ""
    else:
        finite = auxiliary("fr", clause.mood, clause.person)
        last = word.past[0] if clause.mood == "past" else word.infinitive
    verbs = _sentence("ne", finite, "pas", last) if clause.negative else _sentence(finite, last)
    core = _sentence(clause.subject, verbs, clause.object, clause.place)
    if clause.question:
        return _sentence("est-ce que", core, clause.time) + " ?"
    if clause.time_first and clause.time:
        return f"{clause.time}, {core}."
    return _sentence(core, clause.time) + "."


_ORDER = {"en": _english, "es": _spanish, "de": _german, "fr": _french}


def put(lang: str, clause: Clause) -> str:
    """Return the clause as a finished sentence."""
    return smooth(lang, _ORDER[lang](clause))
