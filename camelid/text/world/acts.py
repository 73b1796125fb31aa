"""Sentences in which somebody does something: acts, ways, gifts and polite requests."""

from camelid.text.world.clauses import Clause, put
from camelid.text.world.draws import Draws, Family, Slots
from camelid.text.world.grammar import predicate, smooth
from camelid.text.world.lexicon import (
    GROCERIES,
    PLACES,
    place,
    say,
)
from camelid.text.world.phrases import (
    TIMES,
    draw_person,
    draw_subject,
    draw_thing,
    draw_time,
    write_object,
    write_person,
    write_subject,
    write_thing,
    write_time,
)
from camelid.text.world.verbs import VERBS, verb

# Somebody does something.


_PLACELESS = ("bring", "carry", "call", "visit", "bake")  # done towards a place, or in only one


def _draw_act(draws: Draws) -> Slots:
    meaning = draws.of(VERBS)
    kind = VERBS[meaning][4]
    form = draws.weighted({"plain": 7, "not": 2, "question": 2})
    moods = {"present": 3, "past": 4, "future": 3, "want": 2, "can": 2, "must": 0 if form == "not" else 2}
    mood = draws.weighted(moods) if meaning != "lose" else "past"
    subject = draw_subject(draws, you=form == "question")
    if kind == "person":
        thing = draw_person(draws)
        while thing in subject or thing.partition(":")[2] in subject:
            thing = draw_person(draws)
    else:
        thing = draw_thing(draws, kind, definite=form == "not")
    movable = kind not in ("built", "opened") and meaning not in _PLACELESS
    place_slot = draws.of(PLACES) if movable and form != "not" and draws.chance(0.4) else ""
    tense = mood if mood in TIMES else "future"
    time = draw_time(draws, tense) if draws.chance(1 if mood == "present" else 0.65) else ""
    first = "first" if time and form == "plain" and draws.chance(0.4) else ""
    return {
        "verb": meaning,
        "mood": mood,
        "form": form,
        "who": subject,
        "what": thing,
        "where": place_slot,
        "when": time,
        "order": first,
    }


def _write_act(slots: Slots, lang: str) -> str:
    subject = write_subject(slots["who"], lang)
    if VERBS[slots["verb"]][4] == "person":
        case = "dat" if slots["verb"] == "help" else "acc"
        thing = write_person(slots["what"], lang, case)
        thing = f"a {thing}" if lang == "es" else thing
    else:
        thing = write_object(slots["what"], lang)
    clause = Clause(
        subject=subject.text,
        person=subject.person,
        meaning=slots["verb"],
        mood=slots["mood"],
        object=thing,
        definite=slots["what"].startswith(("the:", "name:", "kin:", "role:")),
        place=place(slots["where"], lang).forms["at"] if slots["where"] else "",
        time=write_time(slots["when"], lang),
        negative=slots["form"] == "not",
        question=slots["form"] == "question",
        time_first=slots["order"] == "first",
    )
    return put(lang, clause)


# Somebody goes somewhere, perhaps to buy something.

_GO = {
    "present": {
        "en": {2: "goes", 4: "go", 0: "go", 3: "go"},
        "es": {0: "voy", 2: "va", 3: "vamos", 4: "van"},
        "de": {0: "gehe", 2: "geht", 3: "gehen", 4: "gehen"},
        "fr": {0: "vais", 2: "va", 3: "allons", 4: "vont"},
    },
    "past": {
        "en": {0: "went", 2: "went", 3: "went", 4: "went"},
        "es": {0: "fui", 2: "fue", 3: "fuimos", 4: "fueron"},
        "de": {0: "bin", 2: "ist", 3: "sind", 4: "sind"},
        "fr": {0: "suis", 2: "est", 3: "sommes", 4: "sont"},
    },
}
_PURPOSE = {
    "en": " to buy {x}",
    "es": " a comprar {x}",
    "de": ", um {x} zu kaufen",
    "fr": " pour acheter {x}",
}


def _draw_go(draws: Draws) -> Slots:
    tense = draws.one(("present", "past"))
    who = draw_subject(draws)
    while who in ("i", "we"):  # a French participle would have to know who is speaking
        who = draw_subject(draws)
    shops = ("market", "bakery", "shop")
    where = draws.of(PLACES)
    goal = draws.of(GROCERIES) if where in shops else ""
    return {"tense": tense, "who": who, "where": where, "goal": goal, "when": draw_time(draws, tense)}


def _write_go(slots: Slots, lang: str) -> str:
    subject = write_subject(slots["who"], lang)
    verb_text = _GO[slots["tense"]][lang][subject.person]
    to = place(slots["where"], lang).forms["to"]
    goal = _PURPOSE[lang].format(x=say(GROCERIES, slots["goal"], lang)) if slots["goal"] else ""
    when = write_time(slots["when"], lang)
    if lang == "de":
        last = " gegangen" if slots["tense"] == "past" else ""
        return smooth(lang, f"{when} {verb_text} {subject.text} {to}{last}{goal}.")
    if lang == "fr" and slots["tense"] == "past":
        verb_text += " " + predicate("fr", "allé", subject.gender, plural=subject.plural)
    comma = "" if lang == "es" else ","
    return smooth(lang, f"{when}{comma} {subject.text} {verb_text} {to}{goal}.")


# Somebody gives or shows somebody something.

_GIVE = {
    "present": {
        "en": "{when}, {who} gives {to} {acc}.",
        "es": "{when} {who} le da {acc} a {to}.",
        "de": "{when} gibt {who} {dat} {acc}.",
        "fr": "{when}, {who} donne {acc} à {to}.",
    },
    "past": {
        "en": "{when}, {who} gave {to} {acc}.",
        "es": "{when} {who} le dio {acc} a {to}.",
        "de": "{when} hat {who} {dat} {acc} gegeben.",
        "fr": "{when}, {who} a donné {acc} à {to}.",
    },
    "future": {
        "en": "{when}, {who} will show {to} {acc}.",
        "es": "{when} {who} le va a enseñar {acc} a {to}.",
        "de": "{when} wird {who} {dat} {acc} zeigen.",
        "fr": "{when}, {who} va montrer {acc} à {to}.",
    },
}


def _draw_give(draws: Draws) -> Slots:
    tense = draws.of(_GIVE)
    who, to = draw_person(draws), draw_person(draws)
    while to == who:
        to = draw_person(draws)
    what = draw_thing(draws, draws.one(("goods", "food")))
    return {"tense": tense, "who": who, "to": to, "what": what, "when": draw_time(draws, tense)}


def _write_give(slots: Slots, lang: str) -> str:
    text = _GIVE[slots["tense"]][lang].format(
        when=write_time(slots["when"], lang),
        who=write_subject(slots["who"], lang).text,
        to=write_person(slots["to"], lang, "nom"),
        dat=write_person(slots["to"], lang, "dat"),
        acc=write_thing(slots["what"], lang, "acc"),
    )
    return smooth(lang, text)


# Asking politely.

_PLEASE = {
    "en": "could you {verb} {acc} {when}, please?",
    "es": "¿Podrías {verb} {acc} {when}, por favor?",
    "de": "könntest du bitte {when} {acc} {verb}?",
    "fr": "est-ce que tu pourrais {verb} {acc} {when}, s'il te plaît ?",
}
_ASKED = (
    "buy",
    "bring",
    "seek",
    "feed",
    "wash",
    "brush",
    "photograph",
    "paint",
    "repair",
    "open",
    "close",
    "fetch",
)


def _draw_please(draws: Draws) -> Slots:
    meaning = draws.one(_ASKED)
    what = draw_thing(draws, VERBS[meaning][4], definite=True)
    return {"verb": meaning, "what": what, "when": draw_time(draws, "future") if draws.chance(0.5) else ""}


def _write_please(slots: Slots, lang: str) -> str:
    text = _PLEASE[lang].format(
        verb=verb(slots["verb"], lang).infinitive,
        acc=write_object(slots["what"], lang),
        when=write_time(slots["when"], lang),
    )
    return smooth(lang, text.replace("  ", " ").replace(" ,", ","))


FAMILIES = {
    "act": Family(_draw_act, _write_act, 12),
    "go": Family(_draw_go, _write_go, 3),
    "give": Family(_draw_give, _write_give, 3),
    "please": Family(_draw_please, _write_please, 2),
}
