# ruff: noqa: E501 (a table reads best with one meaning on a line)
"""Articles about events of the village, each with the one sentence that sums it up.

The summary says who did what, where and when; the article scatters these over its sentences, between details
that the summary leaves out.
"""

from camelid.text.records import Message
from camelid.text.world.draws import Draws, Slots
from camelid.text.world.grammar import Word, smooth
from camelid.text.world.lexicon import (
    ANIMALS,
    NAMES,
    NUMBERS,
    PAST_TIMES,
    WEEKDAYS,
    adjective_entry,
    is_woman,
    noun,
    person,
    place,
    say,
)
from camelid.text.world.talk import Told, chat

# Each event: the summary, then the sentences of the article in order. Slots: {who} and {friend} are people,
# {animal} and {thing} nouns, {where} a place, {when} a day, {n} a number.
_EVENTS: dict[str, dict[str, tuple[str, ...]]] = {
    "found": {
        "en": (
            "{when}, {who} found a lost {animal:} {where:at}.",
            "{when} there was great excitement in the village, because {animal:a} had disappeared.",
            "many people helped with the search until it got dark.",
            "in the end it was {who} who found the animal {where:at}.",
            "{animal:the} was tired and hungry, but not hurt.",
        ),
        "es": (
            "{when} {who} encontró {animal:a} {animal:perdido/perdida} {where:at}.",
            "{when} hubo mucho revuelo en el pueblo, porque había desaparecido {animal:a}.",
            "mucha gente ayudó a buscar hasta que se hizo de noche.",
            "al final fue {who} quien encontró al animal {where:at}.",
            "{animal:the} estaba {animal:cansado/cansada} y tenía hambre, pero no estaba {animal:herido/herida}.",
        ),
        "de": (
            "{when} fand {who} {animal:einen verlorenen/eine verlorene/ein verlorenes} {animal:} {where:at}.",
            "{when} war die Aufregung im Dorf groß, denn {animal:a} war verschwunden.",
            "viele Leute halfen bei der Suche, bis es dunkel wurde.",
            "am Ende war es {who}, {who:der/die} das Tier {where:at} fand.",
            "{animal:the} war müde und hungrig, aber nicht verletzt.",
        ),
        "fr": (
            "{when}, {who} a retrouvé {animal:a} {animal:perdu/perdue} {where:at}.",
            "{when}, il y a eu beaucoup d'agitation au village, car {animal:a} avait disparu.",
            "beaucoup de gens ont aidé à chercher jusqu'à la tombée de la nuit.",
            "finalement, c'est {who} qui a retrouvé l'animal {where:at}.",
            "{animal:the} était {animal:fatigué/fatiguée} et avait faim, mais n'était pas {animal:blessé/blessée}.",
        ),
    },
    "shearing": {
        "en": (
            "{when}, {who} and {friend} sheared {n} {fleece:pl} {where:at}.",
            "{when} was shearing day in the village.",
            "early in the morning, {n} {fleece:pl} were brought {where:to}.",
            "{who} held the shears, and {friend} kept the animals calm.",
            "in the evening the wool was packed into big bags.",
        ),
        "es": (
            "{when} {who} y {friend} esquilaron {n} {fleece:pl} {where:at}.",
            "{when} fue día de esquila en el pueblo.",
            "por la mañana temprano llevaron {n} {fleece:pl} {where:to}.",
            "{who} manejaba las tijeras y {friend} calmaba a los animales.",
            "por la tarde metieron la lana en bolsas grandes.",
        ),
        "de": (
            "{when} haben {who} und {friend} {where:at} {n} {fleece:pl} geschoren.",
            "{when} war im Dorf Schurtag.",
            "früh am Morgen wurden {n} {fleece:pl} {where:to} gebracht.",
            "{who} führte die Schere, und {friend} beruhigte die Tiere.",
            "am Abend wurde die Wolle in große Säcke gepackt.",
        ),
        "fr": (
            "{when}, {who} et {friend} ont tondu {n} {fleece:pl} {where:at}.",
            "{when}, c'était jour de tonte au village.",
            "tôt le matin, on a amené {n} {fleece:pl} {where:to}.",
            "{who} tenait les ciseaux et {friend} calmait les animaux.",
            "le soir, la laine a été mise dans de grands sacs.",
        ),
    },
    "sale": {
        "en": (
            "{when}, {who} sold {n} {thing:pl} {where:at}.",
            "{when} there was a small sale {where:at}.",
            "{who} had worked for many weeks to make enough {thing:pl}.",
            "by noon the stand was already empty.",
            "{n} {thing:pl} had found a new home.",
        ),
        "es": (
            "{when} {who} vendió {n} {thing:pl} {where:at}.",
            "{when} hubo una pequeña venta {where:at}.",
            "{who} había trabajado muchas semanas para hacer suficientes {thing:pl}.",
            "al mediodía el puesto ya estaba vacío.",
            "{n} {thing:pl} habían encontrado dueño.",
        ),
        "de": (
            "{when} hat {who} {where:at} {n} {thing:pl} verkauft.",
            "{when} gab es {where:at} einen kleinen Verkauf.",
            "{who} hatte viele Wochen gearbeitet, um genug {thing:pl} herzustellen.",
            "schon am Mittag war der Stand leer.",
            "{n} {thing:pl} hatten einen neuen Besitzer gefunden.",
        ),
        "fr": (
            "{when}, {who} a vendu {n} {thing:pl} {where:at}.",
            "{when}, il y a eu une petite vente {where:at}.",
            "{who} avait travaillé de longues semaines pour fabriquer assez de {thing:pl}.",
            "à midi, le stand était déjà vide.",
            "{n} {thing:pl} avaient trouvé preneur.",
        ),
    },
    "storm": {
        "en": (
            "{when}, a storm damaged the roof of {where:the}, and {who} repaired it.",
            "{when} a heavy storm passed over the village.",
            "it tore a big hole in the roof of {where:the}.",
            "nobody was hurt, but the rain came in everywhere.",
            "the next morning {who} climbed up with a hammer and repaired the roof.",
        ),
        "es": (
            "{when} una tormenta dañó el tejado de {where:the} y {who} lo reparó.",
            "{when} pasó una fuerte tormenta por el pueblo.",
            "abrió un gran agujero en el tejado de {where:the}.",
            "nadie resultó herido, pero la lluvia entraba por todas partes.",
            "a la mañana siguiente {who} subió con un martillo y reparó el tejado.",
        ),
        "de": (
            "{when} hat ein Sturm das Dach {where:des/der/des} {owned} beschädigt, und {who} hat es repariert.",
            "{when} zog ein schwerer Sturm über das Dorf.",
            "er riss ein großes Loch in das Dach {where:des/der/des} {owned}.",
            "niemand wurde verletzt, aber der Regen kam überall herein.",
            "am nächsten Morgen stieg {who} mit einem Hammer hinauf und reparierte das Dach.",
        ),
        "fr": (
            "{when}, une tempête a abîmé le toit de {where:the}, et {who} l'a réparé.",
            "{when}, une forte tempête est passée sur le village.",
            "elle a fait un grand trou dans le toit de {where:the}.",
            "personne n'a été blessé, mais la pluie entrait partout.",
            "le lendemain matin, {who} est {who:monté/montée} avec un marteau et a réparé le toit.",
        ),
    },
    "prize": {
        "en": (
            "{when}, {who}'s {color} {animal:} won first prize {where:at}.",
            "{when} the most beautiful animals of the region were shown {where:at}.",
            "the judges looked at them for a long time.",
            "in the end a {color} {animal:} won first prize.",
            "it belongs to {who}, who was very proud.",
        ),
        "es": (
            "{when} {colored:the} de {who} ganó el primer premio {where:at}.",
            "{when} se presentaron {where:at} los animales más bonitos de la región.",
            "el jurado los miró durante mucho tiempo.",
            "al final ganó el primer premio {colored:a}.",
            "es de {who}, que estaba muy {who:orgulloso/orgullosa}.",
        ),
        "de": (
            "{when} hat {colored:the} von {who} {where:at} den ersten Preis gewonnen.",
            "{when} wurden {where:at} die schönsten Tiere der Gegend gezeigt.",
            "die Jury sah sie sich lange an.",
            "am Ende gewann {colored:a} den ersten Preis.",
            "{animal:er/sie/es} gehört {who}, {who:der/die} sehr stolz war.",
        ),
        "fr": (
            "{when}, {colored:the} de {who} a gagné le premier prix {where:at}.",
            "{when}, on a présenté {where:at} les plus beaux animaux de la région.",
            "le jury les a regardés longtemps.",
            "à la fin, {colored:a} a gagné le premier prix.",
            "{animal:il/elle} appartient à {who}, qui était très {who:fier/fière}.",
        ),
    },
    "visit": {
        "en": (
            "{when}, {n} children visited {where:the} with {who}.",
            "{when} the school had a special day.",
            "{who} took {n} children {where:to}.",
            "they asked many questions and drew everything they saw.",
            "on the way home they all sang together.",
        ),
        "es": (
            "{when} {n} niños visitaron {where:the} con {who}.",
            "{when} fue un día especial para la escuela.",
            "{who} llevó a {n} niños {where:to}.",
            "hicieron muchas preguntas y dibujaron todo lo que veían.",
            "en el camino de vuelta todos cantaron juntos.",
        ),
        "de": (
            "{when} haben {n} Kinder mit {who} {where:the.acc} besucht.",
            "{when} war für die Schule ein besonderer Tag.",
            "{who} ging mit {n} Kindern {where:to}.",
            "sie stellten viele Fragen und zeichneten alles, was sie sahen.",
            "auf dem Heimweg sangen alle zusammen.",
        ),
        "fr": (
            "{when}, {n} enfants ont visité {where:the} avec {who}.",
            "{when}, c'était un jour spécial pour l'école.",
            "{who} a emmené {n} enfants {where:to}.",
            "ils ont posé beaucoup de questions et ont dessiné tout ce qu'ils voyaient.",
            "sur le chemin du retour, ils ont tous chanté ensemble.",
        ),
    },
    "birth": {
        "en": (
            "{when}, a {young:} called {friend} was born {where:at}.",
            "there is good news {where:at}.",
            "{when} a healthy {young:} was born there.",
            "{who} stayed awake all night to help.",
            "the little one was given the name {friend}.",
        ),
        "es": (
            "{when} nació {where:at} {young:a} que se llama {friend}.",
            "hay buenas noticias {where:at}.",
            "{when} nació allí {young:a} {young:sano/sana}.",
            "{who} pasó toda la noche en vela para ayudar.",
            "le pusieron el nombre de {friend}.",
        ),
        "de": (
            "{when} wurde {where:at} {young:a} namens {friend} geboren.",
            "{where:at} gibt es gute Nachrichten.",
            "{when} wurde dort {young:ein gesunder/eine gesunde/ein gesundes} {young:} geboren.",
            "{who} blieb die ganze Nacht wach, um zu helfen.",
            "{young:der/die/das} Kleine bekam den Namen {friend}.",
        ),
        "fr": (
            "{when}, {young:a} du nom de {friend} est {young:né/née} {where:at}.",
            "il y a une bonne nouvelle {where:at}.",
            "{when}, {young:a} en bonne santé y est {young:né/née}.",
            "{who} a veillé toute la nuit pour aider.",
            "on a donné {young:au petit/à la petite} le nom de {friend}.",
        ),
    },
    "concert": {
        "en": (
            "{when}, {who} sang {where:at} for {n} people.",
            "{when} there was music {where:at}.",
            "a small stage had been built and lamps hung everywhere.",
            "{n} people came to listen to {who}.",
            "after the last song they clapped for a long time.",
        ),
        "es": (
            "{when} {who} cantó {where:at} para {n} personas.",
            "{when} hubo música {where:at}.",
            "habían montado un pequeño escenario y había lámparas por todas partes.",
            "vinieron {n} personas a escuchar a {who}.",
            "después de la última canción aplaudieron mucho tiempo.",
        ),
        "de": (
            "{when} hat {who} {where:at} für {n} Leute gesungen.",
            "{when} gab es {where:at} Musik.",
            "man hatte eine kleine Bühne gebaut, und überall hingen Lampen.",
            "{n} Leute kamen, um {who} zu hören.",
            "nach dem letzten Lied klatschten sie lange.",
        ),
        "fr": (
            "{when}, {who} a chanté {where:at} pour {n} personnes.",
            "{when}, il y a eu de la musique {where:at}.",
            "on avait monté une petite scène et il y avait des lampes partout.",
            "{n} personnes sont venues écouter {who}.",
            "après la dernière chanson, elles ont applaudi longtemps.",
        ),
    },
    "returned": {
        "en": (
            "{when}, {friend} found {thing:the} that {who} had lost {where:at}.",
            "for days {who} had been looking for {who:his/her} {thing:} without any luck.",
            "{when} {friend} went for a walk and saw something on the ground.",
            "it was {thing:the}, which had been lying {where:at} all the time.",
            "{who} was so happy that there was cake for everyone.",
        ),
        "es": (
            "{when} {friend} encontró {thing:the} que {who} había perdido {where:at}.",
            "{who} llevaba días buscando su {thing:} sin suerte.",
            "{when} {friend} salió a pasear y vio algo en el suelo.",
            "era {thing:the}, que había estado todo el tiempo {where:at}.",
            "{who} se puso tan {who:contento/contenta} que hubo pastel para todos.",
        ),
        "de": (
            "{when} hat {friend} {thing:the.acc} gefunden, {thing:den/die/das} {who} {where:at} verloren hatte.",
            "seit Tagen hatte {who} vergeblich {own} gesucht.",
            "{when} ging {friend} spazieren und sah etwas auf dem Boden.",
            "es war {thing:the}, {thing:der/die/das} die ganze Zeit {where:at} gelegen hatte.",
            "{who} freute sich so sehr, dass es für alle Kuchen gab.",
        ),
        "fr": (
            "{when}, {friend} a trouvé {thing:the} que {who} avait {thing:perdu/perdue} {where:at}.",
            "depuis des jours, {who} cherchait {own} sans succès.",
            "{when}, {friend} est {friend:parti/partie} se promener et a vu quelque chose par terre.",
            "c'était {thing:the}, qui était {where:at} depuis tout ce temps.",
            "{who} était si {who:content/contente} qu'il y a eu du gâteau pour tout le monde.",
        ),
    },
    "opening": {
        "en": (
            "{when}, {who} opened a small museum {where:at}.",
            "there is something new in the village.",
            "{when} the doors of a small museum were opened {where:at}.",
            "{n} guests came and looked at old tools and photographs.",
            "the idea came from {who}, who had dreamed of it for years.",
        ),
        "es": (
            "{when} {who} abrió un pequeño museo {where:at}.",
            "hay algo nuevo en el pueblo.",
            "{when} se abrieron {where:at} las puertas de un pequeño museo.",
            "vinieron {n} invitados a ver herramientas y fotos antiguas.",
            "la idea fue de {who}, que soñaba con ello desde hacía años.",
        ),
        "de": (
            "{when} hat {who} {where:at} ein kleines Museum eröffnet.",
            "es gibt etwas Neues im Dorf.",
            "{when} öffneten sich {where:at} die Türen eines kleinen Museums.",
            "{n} Gäste kamen und sahen sich alte Werkzeuge und Fotos an.",
            "die Idee hatte {who}, {who:der/die} seit Jahren davon träumte.",
        ),
        "fr": (
            "{when}, {who} a ouvert un petit musée {where:at}.",
            "il y a du nouveau au village.",
            "{when}, un petit musée a ouvert ses portes {where:at}.",
            "{n} invités sont venus voir de vieux outils et des photos.",
            "l'idée vient de {who}, qui en rêvait depuis des années.",
        ),
    },
}

# Details that no summary mentions: one opens nothing and closes the article.
_DETAILS: tuple[Told, ...] = (
    {
        "en": "the sun was shining all day.",
        "es": "hizo sol todo el día.",
        "de": "den ganzen Tag schien die Sonne.",
        "fr": "il a fait beau toute la journée.",
    },
    {
        "en": "the whole village is still talking about it.",
        "es": "todo el pueblo sigue hablando de ello.",
        "de": "das ganze Dorf spricht noch davon.",
        "fr": "tout le village en parle encore.",
    },
    {
        "en": '"Nobody will forget that," said one neighbour.',
        "es": "«Nadie lo va a olvidar», dijo una vecina.",
        "de": "„Das wird niemand vergessen“, sagte eine Nachbarin.",
        "fr": "« Personne ne l'oubliera », a dit une voisine.",
    },
    {
        "en": "afterwards there was warm soup for everyone.",
        "es": "después hubo sopa caliente para todos.",
        "de": "danach gab es warme Suppe für alle.",
        "fr": "ensuite, il y a eu de la soupe chaude pour tous.",
    },
    {"en": "", "es": "", "de": "", "fr": ""},
)
_OUTDOORS = (
    "mill",
    "bridge",
    "river",
    "lake",
    "meadow",
    "garden",
    "forest",
    "station",
    "square",
    "church",
    "hill",
    "farm",
)
_HOUSES = ("farm", "barn", "stable", "mill", "school", "station", "bakery", "café", "church", "shop")
_GENITIVE = {  # German only
    "farm": "Bauernhofs", "barn": "Scheune", "stable": "Stalls", "mill": "Mühle", "school": "Schule",
    "station": "Bahnhofs", "bakery": "Bäckerei", "café": "Cafés", "church": "Kirche", "shop": "Hofladens",
}  # fmt: skip
_SOLD = ("scarf", "blanket", "hat", "sweater", "basket", "candle", "rug", "bag", "chair")
_LOST = ("scarf", "hat", "bag", "basket", "key", "letter", "book", "map", "ball", "bell")
_PLACES_OF = {
    "found": _OUTDOORS,
    "shearing": ("farm", "barn", "stable", "meadow", "mill"),
    "sale": ("market", "square", "farm", "school", "church", "station", "café", "shop"),
    "storm": _HOUSES,
    "prize": ("market", "square", "farm", "meadow", "church", "school"),
    "visit": ("farm", "mill", "bakery", "station", "church", "stable"),
    "birth": ("farm", "barn", "stable", "meadow", "mill"),
    "concert": ("market", "square", "church", "school", "café", "lake", "garden", "hill", "barn"),
    "returned": _OUTDOORS,
    "opening": ("mill", "station", "farm", "school", "square", "church", "market"),
}
# The slots of an event; one whose name begins with "_" is in the article but not in its summary.
_USES = {
    "found": ("who", "animal"),
    "shearing": ("who", "friend", "n", "fleece"),
    "sale": ("who", "n", "thing"),
    "storm": ("who",),
    "prize": ("who", "color", "animal"),
    "visit": ("who", "n"),
    "birth": ("_who", "friend", "young"),
    "concert": ("who", "n"),
    "returned": ("who", "friend", "thing"),
    "opening": ("who", "_n"),
}
_REQUESTS = {
    "en": (
        "Summarize this article in one sentence:\n{text}",
        "{text}\nWhat happened? Answer in one sentence.",
        "Please sum this up in one sentence: {text}",
    ),
    "es": (
        "Resume este artículo en una frase:\n{text}",
        "{text}\n¿Qué pasó? Responde en una frase.",
        "Por favor, resume esto en una frase: {text}",
    ),
    "de": (
        "Fasse diesen Artikel in einem Satz zusammen:\n{text}",
        "{text}\nWas ist passiert? Antworte in einem Satz.",
        "Bitte fasse das in einem Satz zusammen: {text}",
    ),
    "fr": (
        "Résume cet article en une phrase :\n{text}",
        "{text}\nQue s'est-il passé ? Réponds en une phrase.",
        "S'il te plaît, résume ceci en une phrase : {text}",
    ),
}


def draw(draws: Draws) -> Slots:
    """Return the slots of one event."""
    event = draws.of(_EVENTS)
    who, friend = draws.some(NAMES, 2)
    drawn = {
        "who": who,
        "friend": friend,
        "animal": draws.of(ANIMALS),
        "fleece": draws.one(("alpaca", "llama", "sheep")),
        "young": draws.one(("llama", "alpaca", "lamb", "donkey", "goat")),
        "color": draws.one(("white", "black", "brown", "grey")),
        "thing": draws.one(_SOLD if event == "sale" else _LOST),
        "n": draws.of(NUMBERS) if event != "concert" else str(draws.number(20, 90)),
    }
    used = {name: drawn[name.removeprefix("_")] for name in _USES[event]}
    slots = {
        "scene": "article",
        "event": event,
        **used,
        "where": draws.one(_PLACES_OF[event]),
        "when": draws.of(WEEKDAYS),
    }
    return slots | {
        "_detail": draws.one("14" if event == "storm" else "01234"),
        "_request": str(draws.number(0, 2)),
    }


def _filled(slots: Slots, lang: str) -> list[str]:
    slots = {name.removeprefix("_"): value for name, value in slots.items()}
    values: dict[str, object] = {"where": place(slots["where"], lang)}
    values["when"] = say(PAST_TIMES, slots["when"], lang)
    values["owned"] = _GENITIVE.get(slots["where"], "")
    for name in ("who", "friend"):
        values[name] = person(slots.get(name, ""))
    for name in ("animal", "thing", "fleece", "young"):
        if name in slots:
            values[name] = noun(slots[name], lang)
    if "thing" in slots and lang in ("de", "fr"):
        values["own"] = _owned(lang, noun(slots["thing"], lang), woman=is_woman(slots["who"]))
    if "color" in slots:
        values["color"] = adjective_entry(slots["color"], lang)
        values["colored"] = noun(slots["animal"], lang, slots["color"])
    values["n"] = say(NUMBERS, slots["n"], lang) if slots.get("n") in NUMBERS else slots.get("n", "")
    return [text.format_map(values) for text in _EVENTS[slots["event"]][lang]]


def _owned(lang: str, word: Word, *, woman: bool) -> str:
    """Return "his" or "her" thing as an object, in the languages whose possessive must agree with both."""
    mine = word.form("my", "acc")
    if lang == "de":
        return ("ihr" if woman else "sein") + mine.removeprefix("mein")
    return f"s{mine[1:]}"


def summary(slots: Slots, lang: str) -> str:
    """Return the one sentence that sums the event up."""
    return smooth(lang, _filled(slots, lang)[0])


def article(slots: Slots, lang: str) -> str:
    """Return the article."""
    detail = _DETAILS[int(slots["_detail"])][lang]
    return smooth(lang, " ".join([*_filled(slots, lang)[1:], detail]).strip())


def write(slots: Slots, lang: str, other: str) -> tuple[Message, ...]:
    """Return the article with the request to sum it up, and the summary."""
    return chat(
        lang, _REQUESTS[lang][int(slots["_request"])].format(text=article(slots, lang)), summary(slots, lang)
    )
