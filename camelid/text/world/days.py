"""Sentences of the village's days: feelings and their reasons, trades, the weather, opening hours."""

from camelid.text.world.draws import Draws, Family, Slots
from camelid.text.world.grammar import smooth
from camelid.text.world.lexicon import (
    FUTURE_TIMES,
    NUMBERS,
    WEEKDAYS,
    place,
    role,
    say,
    table,
    weekday_habit,
)
from camelid.text.world.phrases import (
    draw_person,
    draw_thing,
    is_person_woman,
    thing_word,
    write_subject,
    write_thing,
    write_time,
)

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
        when=write_time(slots["when"], lang),
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


FAMILIES = {
    "because": Family(_draw_because, _write_because, 3),
    "job": Family(_draw_job, _write_job, 2),
    "weather": Family(_draw_weather, _write_weather, 2),
    "hours": Family(_draw_hours, _write_hours, 1.5),
}
