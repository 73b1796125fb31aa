# ruff: noqa: E501 (a table reads best with one language on a line)
"""The virtual assistant: reminders, timers, lists, weather, people, directions, hours and sums, turn by turn.

What the assistant cannot know by itself (the weather, who is who, opening hours) stands in the system prompt.
"""

from collections.abc import Callable

from camelid.text.records import Message
from camelid.text.world.draws import Draws, Slots
from camelid.text.world.lexicon import (
    GROCERIES,
    NAMES,
    PLACES,
    ROLES,
    WEEKDAYS,
    is_woman,
    join_words,
    place,
    role,
    say,
    table,
    weekday_habit,
)
from camelid.text.world.talk import Told, chat

_CHORES = table("""
feed    | feed the llamas      | dar de comer a las llamas | die Lamas zu füttern       | nourrir les lamas
bread   | buy bread            | comprar pan               | Brot zu kaufen             | acheter du pain
call    | call the vet         | llamar a la veterinaria   | die Tierärztin anzurufen   | appeler la vétérinaire
water   | water the garden     | regar el jardín           | den Garten zu gießen       | arroser le jardin
gate    | close the gate       | cerrar el portón          | das Tor zu schließen       | fermer le portail
eggs    | collect the eggs     | recoger los huevos        | die Eier einzusammeln      | ramasser les œufs
letter  | post the letter      | enviar la carta           | den Brief abzuschicken     | envoyer la lettre
parcel  | pick up the parcel   | recoger el paquete        | das Paket abzuholen        | récupérer le colis
barn    | clean the barn       | limpiar el granero        | die Scheune zu putzen      | nettoyer la grange
tickets | buy the tickets      | comprar las entradas      | die Karten zu kaufen       | acheter les billets
cake    | bake the cake        | hornear el pastel         | den Kuchen zu backen       | préparer le gâteau
book    | return the book      | devolver el libro         | das Buch zurückzugeben     | rendre le livre
fence   | repair the fence     | reparar la valla          | den Zaun zu reparieren     | réparer la clôture
wool    | wash the wool        | lavar la lana             | die Wolle zu waschen       | laver la laine
""")
_DAYS = table("""
today    | today    | hoy     | heute   | aujourd'hui
tomorrow | tomorrow | mañana  | morgen  | demain
""") | {day: (f"on {en}", f"el {es}", f"am {de}", fr) for day, (en, es, de, fr) in WEEKDAYS.items()}
_COOKED = table("""
bread | the bread | el pan    | das Brot  | le pain
soup  | the soup  | la sopa   | die Suppe | la soupe
tea   | the tea   | el té     | den Tee   | le thé
eggs  | the eggs  | los huevos | die Eier | les œufs
cake  | the cake  | el pastel | den Kuchen | le gâteau
rice  | the rice  | el arroz  | den Reis  | le riz
""")
_SKIES = table("""
rain  | rain      | lluvia    | Regen       | pluie
sun   | sunshine  | sol       | Sonne       | soleil
storm | thunderstorms | tormentas | Gewitter   | orages
wind  | wind      | viento    | Wind        | vent
fog   | fog       | niebla    | Nebel       | brouillard
cloud | clouds    | nubes     | Wolken      | nuages
""")

# Each scenario: the turns, from the user's first; a system prompt comes before them under "system".
_REMINDER = {
    "en": ("remind me to {chore} {day} at {hour}.", "all right, I will remind you {day} at {hour} to {chore}.",
           "make it {later} instead.", "done. I will remind you {day} at {later} to {chore}.",
           "what did I want to do {day}?", "you wanted to {chore} {day} at {last}."),
    "es": ("recuérdame {day} a las {hour} que tengo que {chore}.", "de acuerdo, {day} a las {hour} te recuerdo que tienes que {chore}.",
           "mejor a las {later}.", "hecho. {day} a las {later} te recuerdo que tienes que {chore}.",
           "¿Qué quería hacer {day}?", "querías {chore} {day} a las {last}."),
    "de": ("erinnere mich {day} um {hour} Uhr daran, {chore}.", "gut, ich erinnere dich {day} um {hour} Uhr daran, {chore}.",
           "lieber um {later} Uhr.", "erledigt. Ich erinnere dich {day} um {later} Uhr daran, {chore}.",
           "woran wolltest du mich {day} erinnern?", "ich wollte dich {day} um {last} Uhr daran erinnern, {chore}."),
    "fr": ("rappelle-moi {day} à {hour} heures de {chore}.", "d'accord, je te rappellerai {day} à {hour} heures de {chore}.",
           "plutôt à {later} heures.", "c'est fait. Je te rappellerai {day} à {later} heures de {chore}.",
           "qu'est-ce que je voulais faire {day} ?", "tu voulais {chore} {day} à {last} heures."),
}  # fmt: skip
_TIMER = {
    "en": ("set a timer for {n} minutes for {dish}.", "the timer for {dish} is set to {n} minutes.",
           "please add {more} minutes.", "the timer for {dish} is now set to {sum} minutes."),
    "es": ("pon un temporizador de {n} minutos para {dish}.", "el temporizador para {dish} está puesto en {n} minutos.",
           "añade {more} minutos, por favor.", "el temporizador para {dish} está ahora en {sum} minutos."),
    "de": ("stell einen Timer auf {n} Minuten für {dish}.", "der Timer für {dish} steht auf {n} Minuten.",
           "bitte {more} Minuten mehr.", "der Timer für {dish} steht jetzt auf {sum} Minuten."),
    "fr": ("mets un minuteur de {n} minutes pour {dish}.", "le minuteur pour {dish} est réglé sur {n} minutes.",
           "ajoute {more} minutes, s'il te plaît.", "le minuteur pour {dish} est maintenant réglé sur {sum} minutes."),
}  # fmt: skip
_LIST = {
    "en": ("put {first} on my shopping list.", "done. Your shopping list: {first}.",
           "{extra} too, please.", "done. Your shopping list: {all}.",
           "take {gone} off the list.", "done. Your shopping list: {rest}."),
    "es": ("pon en mi lista de la compra: {first}.", "hecho. Tu lista de la compra: {first}.",
           "también {extra}, por favor.", "hecho. Tu lista de la compra: {all}.",
           "quita de la lista: {gone}.", "hecho. Tu lista de la compra: {rest}."),
    "de": ("setz {first} auf meine Einkaufsliste.", "erledigt. Deine Einkaufsliste: {first}.",
           "bitte auch noch {extra}.", "erledigt. Deine Einkaufsliste: {all}.",
           "streich {gone} von der Liste.", "erledigt. Deine Einkaufsliste: {rest}."),
    "fr": ("mets sur ma liste de courses : {first}.", "c'est fait. Ta liste de courses : {first}.",
           "ajoute aussi {extra}, s'il te plaît.", "c'est fait. Ta liste de courses : {all}.",
           "enlève de la liste : {gone}.", "c'est fait. Ta liste de courses : {rest}."),
}  # fmt: skip
_WEATHER = {
    "en": ("weather today: {sky}, {n} degrees. Tomorrow: {sky2}, {m} degrees.", "what is the weather like today?",
           "today we have {sky} and {n} degrees.", "and tomorrow?", "tomorrow we will have {sky2} and {m} degrees."),
    "es": ("tiempo hoy: {sky}, {n} grados. Mañana: {sky2}, {m} grados.", "¿Qué tiempo hace hoy?",
           "hoy hay {sky}, con {n} grados.", "¿Y mañana?", "mañana hay {sky2}, con {m} grados."),
    "de": ("wetter heute: {sky}, {n} Grad. Morgen: {sky2}, {m} Grad.", "wie ist das Wetter heute?",
           "heute gibt es {sky} bei {n} Grad.", "und morgen?", "morgen gibt es {sky2} bei {m} Grad."),
    "fr": ("météo aujourd'hui : {sky}, {n} degrés. Demain : {sky2}, {m} degrés.", "quel temps fait-il aujourd'hui ?",
           "aujourd'hui : {sky}, avec {n} degrés.", "et demain ?", "demain : {sky2}, avec {m} degrés."),
}  # fmt: skip
_PEOPLE = {
    "en": ("{a} is {role_a:a}. {b} is {role_b:a}. {c} is {role_c:a}.", "who is {ask}?", "{ask} is {asked:the} of the village.",
           "and who is {then}?", "{then} is {thens:the} of the village."),
    "es": ("{a} es {role_a:}. {b} es {role_b:}. {c} es {role_c:}.", "¿Quién es {ask}?", "{ask} es {asked:the} del pueblo.",
           "¿Y quién es {then}?", "{then} es {thens:the} del pueblo."),
    "de": ("{a} ist {role_a:}. {b} ist {role_b:}. {c} ist {role_c:}.", "wer ist {ask}?", "{ask} ist {asked:the} im Dorf.",
           "und wer ist {then}?", "{then} ist {thens:the} im Dorf."),
    "fr": ("{a} est {role_a:}. {b} est {role_b:}. {c} est {role_c:}.", "qui est {ask} ?", "{ask} est {asked:the} du village.",
           "et qui est {then} ?", "{then} est {thens:the} du village."),
}  # fmt: skip
_HOURS = {
    "en": ("{place:the} is open {days} from {n} to {m} and {days2} from {p} to {q}.",
           "when is {place:the} open {days}?", "{days}, {place:the} is open from {n} to {m}.",
           "and {days2}?", "{days2}, {place:the} is open from {p} to {q}."),
    "es": ("{place:the} abre {days} de {n} a {m} y {days2} de {p} a {q}.",
           "¿Cuándo abre {place:the} {days}?", "{days} {place:the} abre de {n} a {m}.",
           "¿Y {days2}?", "{days2} {place:the} abre de {p} a {q}."),
    "de": ("{place:the} ist {days} von {n} bis {m} Uhr und {days2} von {p} bis {q} Uhr geöffnet.",
           "wann ist {place:the} {days} geöffnet?", "{days} ist {place:the} von {n} bis {m} Uhr geöffnet.",
           "und {days2}?", "{days2} ist {place:the} von {p} bis {q} Uhr geöffnet."),
    "fr": ("{place:the} est {open} {days} de {n} à {m} heures et {days2} de {p} à {q} heures.",
           "quand {place:the} est-{place:il/elle} {place:ouvert/ouverte} {days} ?", "{days}, {place:the} est {open} de {n} à {m} heures.",
           "et {days2} ?", "{days2}, {place:the} est {open} de {p} à {q} heures."),
}  # fmt: skip
_WAYS: tuple[Told, ...] = (
    {
        "en": "behind {near:the}",
        "es": "detrás de {near:the}",
        "de": "hinter {near:the.dat}",
        "fr": "derrière {near:the}",
    },
    {
        "en": "in front of {near:the}",
        "es": "delante de {near:the}",
        "de": "vor {near:the.dat}",
        "fr": "devant {near:the}",
    },
    {
        "en": "next to {near:the}",
        "es": "al lado de {near:the}",
        "de": "neben {near:the.dat}",
        "fr": "à côté de {near:the}",
    },
    {
        "en": "opposite {near:the}",
        "es": "enfrente de {near:the}",
        "de": "gegenüber von {near:the.dat}",
        "fr": "en face de {near:the}",
    },
)
_DIRECTIONS = {
    "en": ("{place:the} is {way}. {place2:the} is {way2}.", "how do I find {place:the}?", "{place:the} is {way}.",
           "and where is {place2:the}?", "{place2:the} is {way2}."),
    "es": ("{place:the} está {way}. {place2:the} está {way2}.", "¿Cómo encuentro {place:the}?", "{place:the} está {way}.",
           "¿Y dónde está {place2:the}?", "{place2:the} está {way2}."),
    "de": ("{place:the} ist {way}. {place2:the} ist {way2}.", "wie finde ich {place:the.acc}?", "{place:the} ist {way}.",
           "und wo ist {place2:the}?", "{place2:the} ist {way2}."),
    "fr": ("{place:the} est {way}. {place2:the} est {way2}.", "comment trouver {place:the} ?", "{place:the} est {way}.",
           "et où est {place2:the} ?", "{place2:the} est {way2}."),
}  # fmt: skip
_COUNTED = table("""
apples | apples | manzanas | Äpfel | pommes
eggs | eggs | huevos | Eier | œufs
pears | pears | peras | Birnen | poires
candles | candles | velas | Kerzen | bougies
llamas | llamas | llamas | Lamas | lamas
sheep | sheep | ovejas | Schafe | moutons
baskets | baskets | cestas | Körbe | paniers
books | books | libros | Bücher | livres
""")
_SUMS = {
    "plus": {
        "en": ("{who} has {n} {x} and gets {m} more. How many {x} does {who} have?", "{who} has {sum} {x}."),
        "es": ("{who} tiene {n} {x} y recibe {m} más. ¿Cuántos {x} tiene {who}?", "{who} tiene {sum} {x}."),
        "de": ("{who} hat {n} {x} und bekommt noch {m}. Wie viele {x} hat {who}?", "{who} hat {sum} {x}."),
        "fr": ("{who} a {n} {x} et en reçoit encore {m}. Combien de {x} a {who} ?", "{who} a {sum} {x}."),
    },
    "minus": {
        "en": ("{who} has {sum} {x} and gives away {m}. How many {x} are left?", "{who} has {n} {x} left."),
        "es": ("{who} tiene {sum} {x} y regala {m}. ¿Cuántos {x} le quedan?", "a {who} le quedan {n} {x}."),
        "de": (
            "{who} hat {sum} {x} und verschenkt {m}. Wie viele {x} bleiben übrig?",
            "{who} hat noch {n} {x}.",
        ),
        "fr": (
            "{who} a {sum} {x} et en donne {m}. Combien de {x} lui reste-t-il ?",
            "il reste {n} {x} à {who}.",
        ),
    },
}
_FEMININE = ("apples", "pears", "candles", "llamas", "sheep", "baskets")  # in Spanish
_SYSTEM: tuple[Told, ...] = (
    {"en": "", "es": "", "de": "", "fr": ""},
    {"en": "", "es": "", "de": "", "fr": ""},
    {
        "en": "you are a helpful assistant.",
        "es": "eres un asistente servicial.",
        "de": "du bist ein hilfreicher Assistent.",
        "fr": "tu es un assistant serviable.",
    },
    {
        "en": "you are a friendly assistant. Answer briefly.",
        "es": "eres un asistente amable. Responde con brevedad.",
        "de": "du bist ein freundlicher Assistent. Antworte kurz.",
        "fr": "tu es un assistant aimable. Réponds brièvement.",
    },
)


def _draw_reminder(draws: Draws) -> Slots:
    hour, later = draws.some(range(2, 12), 2)
    return {
        "chore": draws.of(_CHORES),
        "day": draws.of(_DAYS),
        "hour": str(hour),
        "_later": str(later),
        "_turns": draws.one("123"),
    }


def _write_reminder(slots: Slots, lang: str) -> list[str]:
    shown = int(slots["_turns"])
    values = {
        "chore": say(_CHORES, slots["chore"], lang),
        "day": say(_DAYS, slots["day"], lang),
        "hour": slots["hour"],
        "later": slots["_later"],
        "last": slots["_later"] if shown > 1 else slots["hour"],
    }
    return ["", *(turn.format(**values) for turn in _REMINDER[lang])][: 1 + 2 * shown]


def _draw_timer(draws: Draws) -> Slots:
    return {
        "dish": draws.of(_COOKED),
        "n": str(draws.number(2, 60)),
        "_more": str(5 * draws.number(1, 4)),
        "_turns": draws.one("12"),
    }


def _write_timer(slots: Slots, lang: str) -> list[str]:
    total = str(int(slots["n"]) + int(slots["_more"]))
    values = {
        "dish": say(_COOKED, slots["dish"], lang),
        "n": slots["n"],
        "more": slots["_more"],
        "sum": total,
    }
    return ["", *(turn.format(**values) for turn in _TIMER[lang])][: 1 + 2 * int(slots["_turns"])]


def _draw_list(draws: Draws) -> Slots:
    items = draws.some(tuple(GROCERIES), draws.number(3, 4))
    return {
        "first": " ".join(items[:2]),
        "_extra": " ".join(items[2:]),
        "_gone": draws.one(items),
        "_turns": draws.one("123"),
    }


def _write_list(slots: Slots, lang: str) -> list[str]:
    first, extra = slots["first"].split(), slots["_extra"].split()

    def listed(items: list[str]) -> str:
        return join_words(lang, [say(GROCERIES, item, lang) for item in items])

    values = {
        "first": listed(first),
        "extra": listed(extra),
        "all": listed(first + extra),
        "gone": listed([slots["_gone"]]),
        "rest": listed([item for item in first + extra if item != slots["_gone"]]),
    }
    return ["", *(turn.format(**values) for turn in _LIST[lang])][: 1 + 2 * int(slots["_turns"])]


def _draw_weather(draws: Draws) -> Slots:
    sky, sky2 = draws.some(tuple(_SKIES), 2)
    return {
        "sky": sky,
        "n": str(draws.number(2, 30)),
        "sky2": sky2,
        "m": str(draws.number(2, 30)),
        "_turns": draws.one("12"),
    }


def _write_weather(slots: Slots, lang: str) -> list[str]:
    values = {
        "sky": say(_SKIES, slots["sky"], lang),
        "sky2": say(_SKIES, slots["sky2"], lang),
        "n": slots["n"],
        "m": slots["m"],
    }
    return [turn.format(**values) for turn in _WEATHER[lang]][: 1 + 2 * int(slots["_turns"])]


def _draw_people(draws: Draws) -> Slots:
    names, roles, asked = draws.some(NAMES, 3), draws.some(tuple(ROLES), 3), draws.some((0, 1, 2), 2)
    return {
        "names": " ".join(names),
        "roles": " ".join(roles),
        "ask": str(asked[0]),
        "_then": str(asked[1]),
        "_turns": draws.one("12"),
    }


def _write_people(slots: Slots, lang: str) -> list[str]:
    names = slots["names"].split()
    trades = [
        role(trade, lang, woman=is_woman(name))
        for name, trade in zip(names, slots["roles"].split(), strict=True)
    ]
    ask, then = int(slots["ask"]), int(slots["_then"])
    values: dict[str, object] = dict(zip("abc", names, strict=True))
    values |= {f"role_{letter}": trade for letter, trade in zip("abc", trades, strict=True)}
    values |= {"ask": names[ask], "asked": trades[ask], "then": names[then], "thens": trades[then]}
    return [turn.format(**values) for turn in _PEOPLE[lang]][: 1 + 2 * int(slots["_turns"])]


def _draw_hours(draws: Draws) -> Slots:
    days = draws.some(tuple(WEEKDAYS), 2)
    hours = (draws.number(6, 10), draws.number(3, 8), draws.number(6, 10), draws.number(3, 8))
    where = draws.one(("bakery", "café", "shop", "market", "mill", "station"))
    hours = (hours[0], hours[1] + 10, hours[2], hours[3] + 10)
    return {
        "place": where,
        "days": " ".join(days),
        "hours": " ".join(map(str, hours)),
        "_turns": draws.one("12"),
    }


def _write_hours(slots: Slots, lang: str) -> list[str]:
    where = place(slots["place"], lang)
    days = [weekday_habit(day, lang) for day in slots["days"].split()]
    values: dict[str, object] = {
        "place": where,
        "days": days[0],
        "days2": days[1],
        "open": format(where, "ouvert/ouverte"),
    }
    hours = slots["hours"].split()
    if lang == "en":
        hours = [f"{hour} am" if int(hour) < 12 else f"{int(hour) - 12} pm" for hour in hours]
    values |= dict(zip("nmpq", hours, strict=True))
    return [turn.format(**values) for turn in _HOURS[lang]][: 1 + 2 * int(slots["_turns"])]


def _draw_directions(draws: Draws) -> Slots:
    places = draws.some(tuple(name for name in PLACES if name not in ("kitchen", "forest", "meadow")), 4)
    return {
        "places": " ".join(places),
        "ways": f"{draws.number(0, 3)}{draws.number(0, 3)}",
        "_turns": draws.one("12"),
    }


def _write_directions(slots: Slots, lang: str) -> list[str]:
    first, near, second, near2 = (place(name, lang) for name in slots["places"].split())
    way, way2 = (_WAYS[int(number)][lang] for number in slots["ways"])
    values: dict[str, object] = {
        "place": first,
        "way": way.format(near=near),
        "place2": second,
        "way2": way2.format(near=near2),
    }
    return [turn.format(**values) for turn in _DIRECTIONS[lang]][: 1 + 2 * int(slots["_turns"])]


def _draw_sum(draws: Draws) -> Slots:
    return {
        "kind": draws.of(_SUMS),
        "who": draws.one(NAMES),
        "what": draws.of(_COUNTED),
        "n": str(draws.number(2, 9)),
        "m": str(draws.number(2, 9)),
    }


def _write_sum(slots: Slots, lang: str) -> list[str]:
    total = str(int(slots["n"]) + int(slots["m"]))
    values = {
        "who": slots["who"],
        "x": say(_COUNTED, slots["what"], lang),
        "n": slots["n"],
        "m": slots["m"],
        "sum": total,
    }
    turns = [turn.format(**values) for turn in _SUMS[slots["kind"]][lang]]
    if lang == "es" and slots["what"] in _FEMININE:
        turns[0] = turns[0].replace("Cuántos", "Cuántas")
    return ["", *turns]


_SCENARIOS: dict[str, tuple[Callable[[Draws], Slots], Callable[[Slots, str], list[str]]]] = {
    "reminder": (_draw_reminder, _write_reminder),
    "timer": (_draw_timer, _write_timer),
    "list": (_draw_list, _write_list),
    "weather": (_draw_weather, _write_weather),
    "people": (_draw_people, _write_people),
    "hours": (_draw_hours, _write_hours),
    "directions": (_draw_directions, _write_directions),
    "sum": (_draw_sum, _write_sum),
}


def draw(draws: Draws) -> Slots:
    """Return the slots of one scenario, and which general system prompt stands before it, if any."""
    name = draws.of(_SCENARIOS)
    return {
        "scene": "assistant",
        "scenario": name,
        **_SCENARIOS[name][0](draws),
        "_system": draws.one("0123"),
    }


def write(slots: Slots, lang: str, other: str) -> tuple[Message, ...]:
    """Return the conversation, its system prompt made of the general one and the scenario's facts."""
    facts, *turns = _SCENARIOS[slots["scenario"]][1](slots, lang)
    system = f"{_SYSTEM[int(slots['_system'])][lang]} {facts}".strip()
    return chat(lang, *turns, system=system)
