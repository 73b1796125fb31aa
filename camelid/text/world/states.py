"""Sentences about how things are: where, how big, at what price, and who likes or needs them."""

from camelid.text.world.draws import Draws, Family, Slots
from camelid.text.world.grammar import predicate, smooth
from camelid.text.world.lexicon import (
    NUMBERS,
    PLACES,
    adjective_entry,
    place,
    say,
    table,
)
from camelid.text.world.phrases import (
    draw_person,
    draw_thing,
    thing_word,
    write_subject,
    write_thing,
)

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
_BY_SIZE = tuple(
    [
        "rabbit",
        "hen",
        "duck",
        "cat",
        "dog",
        "lamb",
        "goat",
        "sheep",
        "alpaca",
        "llama",
        "donkey",
        "horse",
        "cow",
    ]
)


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


# What a thing costs; what somebody has, likes, needs.

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


FAMILIES = {
    "at": Family(_draw_at, _write_at, 4),
    "so": Family(_draw_so, _write_so, 2),
    "than": Family(_draw_than, _write_than, 2),
    "cost": Family(_draw_cost, _write_cost, 3),
    "like": Family(_draw_like, _write_like, 3),
}
