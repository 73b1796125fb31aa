"""Sentences with one right translation: the families of sentence that the translation task draws from.

Each family is a pair of functions: `draw` chooses slots without knowing any language, `write` says them.
"""

from collections.abc import Callable
from dataclasses import dataclass

from camelid.text.world.clauses import Clause, put
from camelid.text.world.draws import Draws, Slots
from camelid.text.world.grammar import predicate, smooth
from camelid.text.world.lexicon import (
    ANIMALS,
    FUTURE_TIMES,
    GROCERIES,
    NUMBERS,
    PAST_TIMES,
    PLACES,
    PRESENT_TIMES,
    WEEKDAYS,
    adjective_entry,
    place,
    role,
    say,
    table,
)
from camelid.text.world.phrases import (
    draw_person,
    draw_subject,
    draw_thing,
    is_person_woman,
    thing_word,
    write_person,
    write_subject,
    write_thing,
)
from camelid.text.world.verbs import VERBS, verb

_TIMES = {"past": PAST_TIMES, "present": PRESENT_TIMES, "future": FUTURE_TIMES}
_ALL_TIMES = PAST_TIMES | PRESENT_TIMES | FUTURE_TIMES


def _draw_time(draws: Draws, tense: str) -> str:
    return f"{tense}:{draws.of(_TIMES[tense])}"


def _write_time(slot: str, lang: str) -> str:
    if not slot:
        return ""
    tense, _, meaning = slot.partition(":")
    return say(_TIMES[tense], meaning, lang)


# Somebody does something.


_PLACELESS = ("bring", "carry", "call", "visit")  # what one can do only towards a place, or from anywhere


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
    tense = mood if mood in _TIMES else "future"
    time = _draw_time(draws, tense) if draws.chance(1 if mood == "present" else 0.65) else ""
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


def _write_object(slot: str, lang: str) -> str:
    """Return a thing as an object; Spanish puts "a" before a certain animal as before a person."""
    thing = write_thing(slot, lang, "acc")
    certain_animal = slot.startswith("the:") and slot.rpartition(":")[2] in ANIMALS
    return f"a {thing}" if lang == "es" and certain_animal else thing


def _write_act(slots: Slots, lang: str) -> str:
    subject = write_subject(slots["who"], lang)
    if VERBS[slots["verb"]][4] == "person":
        case = "dat" if slots["verb"] == "help" else "acc"
        thing = write_person(slots["what"], lang, case)
        thing = f"a {thing}" if lang == "es" else thing
    else:
        thing = _write_object(slots["what"], lang)
    clause = Clause(
        subject=subject.text,
        person=subject.person,
        meaning=slots["verb"],
        mood=slots["mood"],
        object=thing,
        definite=slots["what"].startswith(("the:", "name:", "kin:", "role:")),
        place=place(slots["where"], lang).forms["at"] if slots["where"] else "",
        time=_write_time(slots["when"], lang),
        negative=slots["form"] == "not",
        question=slots["form"] == "question",
        time_first=slots["order"] == "first",
    )
    return put(lang, clause)


# Something is somewhere; there are things somewhere.

_IS_AT = {
    "is": {
        "en": "{thing} is {at}.",
        "es": "{thing} está {at}.",
        "de": "{thing} ist {at}.",
        "fr": "{thing} est {at}.",
    },
    "was": {
        "en": "{thing} was {at} yesterday.",
        "es": "{thing} estaba ayer {at}.",
        "de": "{thing} war gestern {at}.",
        "fr": "{thing} était {at} hier.",
    },
    "not": {
        "en": "{thing} is not {at}.",
        "es": "{thing} no está {at}.",
        "de": "{thing} ist nicht {at}.",
        "fr": "{thing} n'est pas {at}.",
    },
    "question": {
        "en": "is {thing} {at}?",
        "es": "¿Está {thing} {at}?",
        "de": "ist {thing} {at}?",
        "fr": "est-ce que {thing} est {at} ?",
    },
    "there": {
        "en": "there are {count} {at}.",
        "es": "{at} hay {count}.",
        "de": "{at} sind {count}.",
        "fr": "il y a {count} {at}.",
    },
    "there_is": {
        "en": "there is {thing} {at}.",
        "es": "{at} hay {thing}.",
        "de": "{at} ist {thing}.",
        "fr": "il y a {thing} {at}.",
    },
    "behind": {
        "en": "{thing} is behind {near:the}.",
        "es": "{thing} está detrás de {near:the}.",
        "de": "{thing} ist hinter {near:the.dat}.",
        "fr": "{thing} est derrière {near:the}.",
    },
    "before": {
        "en": "{thing} is in front of {near:the}.",
        "es": "{thing} está delante de {near:the}.",
        "de": "{thing} ist vor {near:the.dat}.",
        "fr": "{thing} est devant {near:the}.",
    },
}


def _draw_at(draws: Draws) -> Slots:
    form = draws.one(tuple(_IS_AT))
    kind = draws.one(("animal", "goods"))
    thing = draw_thing(draws, kind, definite=True)
    if form == "there":
        thing = f"{draws.of(NUMBERS)}{thing.removeprefix('the')}"
    elif form == "there_is":
        thing = f"a{thing.removeprefix('the')}"
    return {"form": form, "what": thing, "where": draws.of(PLACES)}


def _write_at(slots: Slots, lang: str) -> str:
    where = place(slots["where"], lang)
    thing = write_thing(slots["what"], lang, "nom")
    text = _IS_AT[slots["form"]][lang].format(thing=thing, count=thing, at=where.forms["at"], near=where)
    return smooth(lang, text)


# Something is so; something is more so than another thing.

_IS_SO = {
    "plain": {
        "en": "{thing} is {so}.",
        "es": "{thing} es {so}.",
        "de": "{thing} ist {so}.",
        "fr": "{thing} est {so}.",
    },
    "very": {
        "en": "{thing} is very {so}.",
        "es": "{thing} es muy {so}.",
        "de": "{thing} ist sehr {so}.",
        "fr": "{thing} est très {so}.",
    },
    "too": {
        "en": "{thing} is too {so}.",
        "es": "{thing} es demasiado {so}.",
        "de": "{thing} ist zu {so}.",
        "fr": "{thing} est trop {so}.",
    },
    "not": {
        "en": "{thing} is not {so}.",
        "es": "{thing} no es {so}.",
        "de": "{thing} ist nicht {so}.",
        "fr": "{thing} n'est pas {so}.",
    },
    "question": {
        "en": "is {thing} {so}?",
        "es": "¿Es {so} {thing}?",
        "de": "ist {thing} {so}?",
        "fr": "est-ce que {thing} est {so} ?",
    },
}
_SO = ("big", "small", "old", "new", "beautiful", "heavy", "expensive", "cheap")
_COMPARATIVES = table("""
big       | bigger         | más grande  | größer   | plus grand
small     | smaller        | más pequeño | kleiner  | plus petit
old       | older          | más viejo   | älter    | plus vieux/plus vieille
beautiful | more beautiful | más bonito  | schöner  | plus beau/plus belle
heavy     | heavier        | más pesado  | schwerer | plus lourd
light     | lighter        | más ligero  | leichter | plus léger/plus légère
expensive | more expensive | más caro    | teurer   | plus cher/plus chère
cheap     | cheaper        | más barato  | billiger | moins cher/moins chère
""")
_THAN = {
    "en": "{one} is {more} than {other}.",
    "es": "{one} es {more} que {other}.",
    "de": "{one} ist {more} als {other}.",
    "fr": "{one} est {more} que {other}.",
}


def _draw_so(draws: Draws) -> Slots:
    kind = draws.one(("animal", "goods"))
    thing = draw_thing(draws, kind, definite=True)
    so = draws.one(_SO[:3] + _SO[4:5] if kind == "animal" else _SO)
    if so in thing:
        thing = f"the::{thing.split(':')[2]}"
    form = draws.one(tuple(form for form in _IS_SO if form != "too" or so not in ("new", "beautiful")))
    return {"form": form, "what": thing, "so": so}


def _write_so(slots: Slots, lang: str) -> str:
    word = thing_word(slots["what"], lang)
    so = predicate(lang, adjective_entry(slots["so"], lang), word.gender)
    return smooth(lang, _IS_SO[slots["form"]][lang].format(thing=word.forms["the"], so=so))


# No sentence says that a dog is bigger than a horse.
_BY_SIZE = tuple("rabbit hen duck cat dog lamb goat sheep alpaca llama donkey horse cow".split())


def _draw_than(draws: Draws) -> Slots:
    kind = draws.one(("animal", "goods"))
    so = draws.one(("big", "small", "old", "beautiful", "heavy", "light"))
    if kind == "goods":
        so = draws.of(_COMPARATIVES)
    first, second = (draw_thing(draws, kind, definite=True) for _ in "ab")
    while second.split(":")[2] == first.split(":")[2]:
        second = draw_thing(draws, kind, definite=True)
    ranks = [_BY_SIZE.index(thing.split(":")[2]) if kind == "animal" else 0 for thing in (first, second)]
    if (so in ("big", "heavy") and ranks[0] < ranks[1]) or (so in ("small", "light") and ranks[0] > ranks[1]):
        first, second = second, first
    return {"so": so, "what": first, "other": second}


def _write_than(slots: Slots, lang: str) -> str:
    one, other = (thing_word(slots[name], lang) for name in ("what", "other"))
    more = predicate(lang, say(_COMPARATIVES, slots["so"], lang), one.gender)
    text = _THAN[lang].format(one=one.forms["the"], other=other.forms["the"], more=more)
    return smooth(lang, text)


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
    return {"tense": tense, "who": who, "where": where, "goal": goal, "when": _draw_time(draws, tense)}


def _write_go(slots: Slots, lang: str) -> str:
    subject = write_subject(slots["who"], lang)
    verb_text = _GO[slots["tense"]][lang][subject.person]
    to = place(slots["where"], lang).forms["to"]
    goal = _PURPOSE[lang].format(x=say(GROCERIES, slots["goal"], lang)) if slots["goal"] else ""
    when = _write_time(slots["when"], lang)
    if lang == "de":
        last = " gegangen" if slots["tense"] == "past" else ""
        return smooth(lang, f"{when} {verb_text} {subject.text} {to}{last}{goal}.")
    if lang == "fr" and slots["tense"] == "past":
        verb_text += " " + predicate("fr", "allé", subject.gender, plural=subject.plural)
    comma = "" if lang == "es" else ","
    return smooth(lang, f"{when}{comma} {subject.text} {verb_text} {to}{goal}.")


# What a thing costs; what somebody has, likes, gives.

_COST = {
    "plain": {
        "en": "{thing} costs {price} euros.",
        "es": "{thing} cuesta {price} euros.",
        "de": "{thing} kostet {price} Euro.",
        "fr": "{thing} coûte {price} euros.",
    },
    "only": {
        "en": "{thing} only costs {price} euros.",
        "es": "{thing} solo cuesta {price} euros.",
        "de": "{thing} kostet nur {price} Euro.",
        "fr": "{thing} ne coûte que {price} euros.",
    },
    "ask": {
        "en": "how much does {thing} cost?",
        "es": "¿Cuánto cuesta {thing}?",
        "de": "wie viel kostet {thing}?",
        "fr": "combien coûte {thing} ?",
    },
    "where": {
        "en": "where can I buy {acc}?",
        "es": "¿Dónde puedo comprar {acc}?",
        "de": "wo kann ich {acc} kaufen?",
        "fr": "où est-ce que je peux acheter {acc} ?",
    },
    "would_like": {
        "en": "I would like to buy {acc}, please.",
        "es": "quisiera comprar {acc}, por favor.",
        "de": "ich möchte bitte {acc} kaufen.",
        "fr": "je voudrais acheter {acc}, s'il vous plaît.",
    },
}


def _draw_cost(draws: Draws) -> Slots:
    form = draws.of(_COST)
    definite = form in ("plain", "only", "ask")
    slots = {"form": form, "what": draw_thing(draws, "goods", definite=definite)}
    if form in ("plain", "only"):
        slots["price"] = str(draws.number(2, 99))
    return slots


def _write_cost(slots: Slots, lang: str) -> str:
    text = _COST[slots["form"]][lang].format(
        thing=write_thing(slots["what"], lang, "nom"),
        acc=write_thing(slots["what"], lang, "acc"),
        price=slots.get("price", ""),
    )
    return smooth(lang, text)


_LIKE = {
    "likes": {
        "en": "{who} really likes {acc}.",
        "es": "a {who} le gusta mucho {thing}.",
        "de": "{who} mag {acc} sehr.",
        "fr": "{who} aime beaucoup {acc}.",
    },
    "not": {
        "en": "{who} does not like {acc}.",
        "es": "a {who} no le gusta {thing}.",
        "de": "{who} mag {acc} nicht.",
        "fr": "{who} n'aime pas {acc}.",
    },
    "has": {
        "en": "{who} has {indefinite}.",
        "es": "{who} tiene {indefinite}.",
        "de": "{who} hat {indefinite}.",
        "fr": "{who} a {indefinite}.",
    },
    "needs": {
        "en": "{who} needs {indefinite}.",
        "es": "{who} necesita {indefinite}.",
        "de": "{who} braucht {indefinite}.",
        "fr": "{who} a besoin de {bare}.",
    },
    "dreams": {
        "en": "{who} dreams of {indefinite}.",
        "es": "{who} sueña con {indefinite}.",
        "de": "{who} träumt von {dative}.",
        "fr": "{who} rêve de {bare}.",
    },
}


def _draw_like(draws: Draws) -> Slots:
    form = draws.of(_LIKE)
    kind = draws.one(("animal", "goods"))
    thing = draw_thing(draws, kind, definite=True)
    if form not in ("likes", "not"):
        determiner = draws.of(NUMBERS) if draws.chance(0.4) else "a"
        thing = determiner + thing.removeprefix("the")
    return {"form": form, "who": draw_person(draws), "what": thing}


def _write_like(slots: Slots, lang: str) -> str:
    what = slots["what"]
    accusative = write_thing(what, lang, "acc")
    text = _LIKE[slots["form"]][lang].format(
        who=write_subject(slots["who"], lang).text,
        thing=write_thing(what, lang, "nom"),
        acc=accusative,
        indefinite=accusative,
        dative=write_thing(what, lang, "dat"),
        bare=accusative,
    )
    return smooth(lang, text)


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
    return {"tense": tense, "who": who, "to": to, "what": what, "when": _draw_time(draws, tense)}


def _write_give(slots: Slots, lang: str) -> str:
    text = _GIVE[slots["tense"]][lang].format(
        when=_write_time(slots["when"], lang),
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
    return {"verb": meaning, "what": what, "when": _draw_time(draws, "future") if draws.chance(0.5) else ""}


def _write_please(slots: Slots, lang: str) -> str:
    text = _PLEASE[lang].format(
        verb=verb(slots["verb"], lang).infinitive,
        acc=_write_object(slots["what"], lang),
        when=_write_time(slots["when"], lang),
    )
    return smooth(lang, text.replace("  ", " ").replace(" ,", ","))


# Feelings and their reasons; jobs and ages; the weather; opening hours.

_FEELINGS = table("""
happy  | is happy  | está contento/está contenta | ist froh    | est content/est contente
sad    | is sad    | está triste                 | ist traurig | est triste
tired  | is tired  | está cansado/está cansada   | ist müde    | est fatigué/est fatiguée
proud  | is proud  | está orgulloso/está orgullosa | ist stolz | est fier/est fière
angry  | is angry  | está enfadado/está enfadada | ist wütend  | est en colère
worried | is worried | está preocupado/está preocupada | ist besorgt | est inquiet/est inquiète
""")
_REASONS = {
    "ill": ("{x} is ill", "{x} está {x_ill}", "{x} krank ist", "{x} est malade"),
    "back": ("{x} is back", "{x} ha vuelto", "{x} wieder da ist", "{x} est de retour"),
    "gone": ("{x} has run away", "{x} se ha escapado", "{x} weggelaufen ist", "{x} s'est {x_gone}"),
    "hungry": ("{x} is hungry", "{x} tiene hambre", "{x} Hunger hat", "{x} a faim"),
    "sleeps": ("{x} is asleep", "{x} está {x_asleep}", "{x} schläft", "{x} dort"),
    "prize": (
        "{x} has won a prize",
        "{x} ha ganado un premio",
        "{x} einen Preis gewonnen hat",
        "{x} a gagné un prix",
    ),
}
_BECAUSE = {
    "en": "{who} {feels} because {why}.",
    "es": "{who} {feels} porque {why}.",
    "de": "{who} {feels}, weil {why}.",
    "fr": "{who} {feels} parce que {why}.",
}
_CAUSES = {
    "happy": ("back", "prize"),
    "sad": ("ill", "gone"),
    "tired": ("gone", "ill"),
    "proud": ("prize",),
    "angry": ("gone", "hungry"),
    "worried": ("ill", "gone", "hungry"),
}


def _draw_because(draws: Draws) -> Slots:
    feeling = draws.of(_FEELINGS)
    animal = draw_thing(draws, "animal", definite=True)
    return {"who": draw_person(draws), "feels": feeling, "why": draws.one(_CAUSES[feeling]), "what": animal}


def _write_because(slots: Slots, lang: str) -> str:
    subject = write_subject(slots["who"], lang)
    word = thing_word(slots["what"], lang)
    column = ("en", "es", "de", "fr").index(lang)
    why = _REASONS[slots["why"]][column].format(
        x=word.forms["the"],
        x_ill=format(word, "enfermo/enferma"),
        x_gone=format(word, "enfui/enfuie"),
        x_asleep=format(word, "dormido/dormida"),
    )
    choices = say(_FEELINGS, slots["feels"], lang).split("/")
    feels = choices[min(subject.gender, len(choices) - 1)]
    return smooth(lang, _BECAUSE[lang].format(who=subject.text, feels=feels, why=why))


_IS_A = {
    "job": {
        "en": "{who} is {a_role} and {age} years old.",
        "es": "{who} es {role} y tiene {age} años.",
        "de": "{who} ist {role} und {age} Jahre alt.",
        "fr": "{who} est {role} et a {age} ans.",
    },
    "works": {
        "en": "{who} works as {a_role} {at}.",
        "es": "{who} trabaja como {role} {at}.",
        "de": "{who} arbeitet als {role} {at}.",
        "fr": "{who} travaille comme {role} {at}.",
    },
    "not": {
        "en": "{who} is not {a_role}.",
        "es": "{who} no es {role}.",
        "de": "{who} ist {no_role}.",
        "fr": "{who} n'est pas {role}.",
    },
}


def _draw_job(draws: Draws) -> Slots:
    form = draws.of(_IS_A)
    kin = draws.chance(0.4)
    who = draw_person(draws)
    while who.startswith("role") or kin != who.startswith("kin"):
        who = draw_person(draws)
    jobs = (
        "farmer",
        "baker",
        "teacher",
        "vet",
        "shepherd",
        "gardener",
        "cook",
        "singer",
        "painter",
        "driver",
    )
    slots = {"form": form, "who": who, "role": draws.one(jobs)}
    if form == "job":
        slots["age"] = str(draws.number(25, 80))
    if form == "works":
        slots["where"] = draws.one(("farm", "school", "mill", "café", "station", "market", "shop"))
    return slots


def _write_job(slots: Slots, lang: str) -> str:
    word = role(slots["role"], lang, woman=is_person_woman(slots["who"]))
    text = _IS_A[slots["form"]][lang].format(
        who=write_subject(slots["who"], lang).text,
        role=word.forms[""],
        a_role=word.forms["a"],
        no_role=word.forms["no"],
        age=slots.get("age", ""),
        at=place(slots["where"], lang).forms["at"] if "where" in slots else "",
    )
    return smooth(lang, text)


_WEATHER = {
    "past": table("""
rain  | it rained        | llovió           | hat es geregnet          | il a plu
snow  | it snowed        | nevó             | hat es geschneit         | il a neigé
sun   | the sun shone    | hizo sol         | hat die Sonne geschienen | il a fait beau
wind  | it was windy     | hizo viento      | war es windig            | il y a eu du vent
cold  | it was cold      | hizo frío        | war es kalt              | il a fait froid
hot   | it was hot       | hizo calor       | war es heiß              | il a fait chaud
"""),
    "future": table("""
rain  | it will rain     | va a llover      | wird es regnen           | il va pleuvoir
snow  | it will snow     | va a nevar       | wird es schneien         | il va neiger
sun   | the sun will shine | va a hacer sol | wird die Sonne scheinen  | il va faire beau
wind  | it will be windy | va a hacer viento | wird es windig sein     | il va y avoir du vent
cold  | it will be cold  | va a hacer frío  | wird es kalt sein        | il va faire froid
hot   | it will be hot   | va a hacer calor | wird es heiß sein        | il va faire chaud
"""),
}
_SO_THEN = {
    "en": "{when}, {weather}, so {clause}",
    "es": "{when} {weather}, así que {clause}",
    "de": "{when} {weather}, deshalb {clause}",
    "fr": "{when}, {weather}, alors {clause}",
}
_STAY = {
    "past": {
        "en": "{x} stayed {at}.",
        "es": "{x} se quedó {at}.",
        "de": "blieb {x} {at}.",
        "fr": "{x} {stayed} {at}.",
    },
    "future": {
        "en": "{x} will stay {at}.",
        "es": "{x} se va a quedar {at}.",
        "de": "bleibt {x} {at}.",
        "fr": "{x} va rester {at}.",
    },
}


def _draw_weather(draws: Draws) -> Slots:
    tense = draws.one(tuple(_WEATHER))
    days = (*WEEKDAYS, "yesterday" if tense == "past" else "tomorrow")
    slots = {"weather": draws.of(_WEATHER[tense]), "tense": tense, "when": f"{tense}:{draws.one(days)}"}
    indoors, outdoors = ("kitchen", "café", "school", "bakery"), ("garden", "lake", "river", "square")
    fine = slots["weather"] in ("sun", "hot")
    if draws.chance(0.5):
        return slots | {"who": draw_person(draws), "where": draws.one(outdoors if fine else indoors)}
    shelters = ("meadow", "lake", "river") if fine else ("stable", "barn")
    return slots | {"what": draw_thing(draws, "animal", definite=True), "where": draws.one(shelters)}


def _write_weather(slots: Slots, lang: str) -> str:
    who = (
        write_subject(slots["who"], lang).text if "who" in slots else write_thing(slots["what"], lang, "nom")
    )
    feminine = (
        is_person_woman(slots["who"]) if "who" in slots else thing_word(slots["what"], lang).gender == 1
    )
    stayed = "est restée" if feminine else "est resté"
    at = place(slots["where"], lang).forms["at"]
    clause = _STAY[slots["tense"]][lang].format(x=who, at=at, stayed=stayed)
    text = _SO_THEN[lang].format(
        when=_write_time(slots["when"], lang),
        weather=say(_WEATHER[slots["tense"]], slots["weather"], lang),
        clause=clause,
    )
    return smooth(lang, text)


_HOURS = {
    "opens": {
        "en": "{place} opens at {hour} o'clock {days}.",
        "es": "{place} abre a las {hour} {days}.",
        "de": "{place} öffnet {days} um {hour} Uhr.",
        "fr": "{place} ouvre à {hour} heures {days}.",
    },
    "closes": {
        "en": "{place} closes at {hour} o'clock {days}.",
        "es": "{place} cierra a las {hour} {days}.",
        "de": "{place} schließt {days} um {hour} Uhr.",
        "fr": "{place} ferme à {hour} heures {days}.",
    },
    "ask": {
        "en": "does {place} open at {hour} o'clock {days}?",
        "es": "¿Abre {place} a las {hour} {days}?",
        "de": "öffnet {place} {days} um {hour} Uhr?",
        "fr": "est-ce que {place} ouvre à {hour} heures {days} ?",
    },
    "meet": {
        "en": "let's meet in front of {place} at {hour} o'clock {day}.",
        "es": "quedamos {day} a las {hour} delante de {place}.",
        "de": "wir treffen uns {day} um {hour} Uhr vor {dat}.",
        "fr": "on se retrouve {day} à {hour} heures devant {place}.",
    },
}


def weekday_habit(day: str, lang: str) -> str:
    """Return "on Mondays" in a language."""
    name = say(WEEKDAYS, day, lang)
    plural = name if name.endswith("s") else name + "s"
    return {"en": f"on {name}s", "es": f"los {plural}", "de": f"{name.lower()}s", "fr": f"le {name}"}[lang]


def _draw_hours(draws: Draws) -> Slots:
    where = draws.one(("bakery", "café", "shop", "market", "school", "church", "mill"))
    hour = str(draws.number(2, 11))
    return {"form": draws.of(_HOURS), "where": where, "hour": hour, "day": draws.of(WEEKDAYS)}


def _write_hours(slots: Slots, lang: str) -> str:
    where = place(slots["where"], lang)
    text = _HOURS[slots["form"]][lang].format(
        place=where.forms["the"],
        dat=where.form("the", "dat"),
        hour=say(NUMBERS, slots["hour"], lang),
        days=weekday_habit(slots["day"], lang),
        day=say(FUTURE_TIMES, slots["day"], lang),
    )
    return smooth(lang, text)


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of sentence: how its slots are drawn and how they are written in a language."""

    draw: Callable[[Draws], Slots]
    write: Callable[[Slots, str], str]
    weight: float


FAMILIES = {
    "act": Family(_draw_act, _write_act, 12),
    "at": Family(_draw_at, _write_at, 4),
    "so": Family(_draw_so, _write_so, 2),
    "than": Family(_draw_than, _write_than, 2),
    "go": Family(_draw_go, _write_go, 3),
    "cost": Family(_draw_cost, _write_cost, 3),
    "like": Family(_draw_like, _write_like, 3),
    "give": Family(_draw_give, _write_give, 3),
    "please": Family(_draw_please, _write_please, 2),
    "because": Family(_draw_because, _write_because, 3),
    "job": Family(_draw_job, _write_job, 2),
    "weather": Family(_draw_weather, _write_weather, 2),
    "hours": Family(_draw_hours, _write_hours, 1.5),
}
_WEIGHTS = {name: family.weight for name, family in FAMILIES.items()}


def draw(draws: Draws) -> Slots:
    """Return the slots of one sentence; with its family."""
    name = draws.weighted(_WEIGHTS)
    return {"scene": "sentence", "family": name, **FAMILIES[name].draw(draws)}


def write(slots: Slots, lang: str) -> str:
    """Return the sentence of the slots in a language."""
    return FAMILIES[slots["family"]].write(slots, lang)
