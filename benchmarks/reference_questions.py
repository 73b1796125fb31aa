"""What the models of the reference run are asked: our own words, in the forms of their training data.

Written before the models had answered any of them, none left out. A question is
{task, lang, from?, begins} or {…, turns}.
`expected` is the label of a review; of a translation it is ours, one right answer among several.
"""

from typing import Any

from camelid.text.phrases import ask_translation

Question = dict[str, Any]


def _begin(lang: str, text: str) -> Question:
    return {"task": "story", "lang": lang, "begins": text}


def _talk(task: str, lang: str, *turns: str, system: str = "") -> Question:
    """Return a conversation in which the user speaks first and last."""
    messages = [{"role": ("user", "assistant")[at % 2], "content": turn} for at, turn in enumerate(turns)]
    before = [{"role": "system", "content": system}] if system else []
    return {"task": task, "lang": lang, "turns": [*before, *messages]}


def _translate(source: str, target: str, text: str, ours: str) -> Question:
    asked = _talk("translation", target, ask_translation(text, source, target))
    return {**asked, "from": source, "expected": ours}


def _judge(request: str, expected: str) -> Question:
    return {**_talk("sentiment", "en", request), "expected": expected}


QUESTIONS: tuple[Question, ...] = (
    _begin(
        "en",
        "The smallest boat in the harbour was called Pip. Every morning Pip watched the big ships sail away, "
        "and every morning Pip wished to go with them.",
    ),
    _begin(
        "en",
        "Grandma's clock had stopped in the night. Nora put her ear against the wood and heard somebody "
        "inside sneeze.",
    ),
    _begin(
        "de",
        "Auf dem Dach der Schule wohnte ein alter Rabe. Eines Tages fand er im Regen einen kleinen roten "
        "Handschuh.",
    ),
    _begin(
        "fr",
        "Dans la cuisine de tante Odile vivait une souris qui aimait la musique. Un soir, elle trouva une "
        "flûte sous l'armoire.",
    ),
    _begin(
        "es",
        "En el pueblo de Lucía había un pozo que nunca se secaba. Un día, el cubo subió con una llave de "
        "plata dentro.",
    ),
    # Of each direction an easy sentence and a harder one.
    _translate("en", "de", "My sister has a new red coat.", "Meine Schwester hat einen neuen roten Mantel."),
    _translate(
        "en",
        "de",
        "If the bus is late again, we will have to walk home in the rain.",
        "Wenn der Bus wieder Verspätung hat, müssen wir im Regen nach Hause laufen.",
    ),
    _translate("de", "en", "Unsere Katze schläft gern in meinem Bett.", "Our cat likes to sleep in my bed."),
    _translate(
        "de",
        "en",
        "Obwohl er kaum Geld hatte, lud er alle seine Nachbarn zum Abendessen ein.",
        "Although he had hardly any money, he invited all his neighbours to dinner.",
    ),
    _translate(
        "en",
        "fr",
        "The two children are eating bread and cheese.",
        "Les deux enfants mangent du pain et du fromage.",
    ),
    _translate(
        "en",
        "fr",
        "Nobody told me that the last train leaves before midnight on Sundays.",
        "Personne ne m'a dit que le dernier train part avant minuit le dimanche.",
    ),
    _translate(
        "fr",
        "en",
        "Mon frère a acheté deux livres ce matin.",
        "My brother bought two books this morning.",
    ),
    _translate(
        "fr",
        "en",
        "Il aurait mieux valu réparer le toit avant que l'hiver n'arrive.",
        "It would have been better to repair the roof before winter came.",
    ),
    _translate("en", "es", "We have a small house near the sea.", "Tenemos una casa pequeña cerca del mar."),
    _translate(
        "en",
        "es",
        "She kept the letter in a drawer for twenty years without ever opening it.",
        "Guardó la carta en un cajón durante veinte años sin abrirla nunca.",
    ),
    _translate("es", "en", "Mi padre trabaja en un hospital grande.", "My father works in a big hospital."),
    _translate(
        "es",
        "en",
        "Cuando por fin dejó de nevar, ya no quedaba leña para la chimenea.",
        "When it finally stopped snowing, there was no firewood left for the fireplace.",
    ),
    # Plain ones, of products, then less plain ones, of films, split into tokens like the critics' sentences.
    _judge(
        "Is this positive or negative?\nLight, quick to start, and even my grandfather can use it",
        "positive",
    ),
    _judge(
        "Review: The battery is flat after an hour and the screen scratched on the first day\n"
        "Positive or negative?",
        "negative",
    ),
    _judge(
        "What does this critic think of the film, positive or negative?\ni came for the car chases and "
        "stayed , to my own surprise , for the two old sisters at the window .",
        "positive",
    ),
    _judge(
        "Is this positive or negative?\nit has a famous cast , a full orchestra and a castle by the sea ; "
        "what it never finds is a reason to be told .",
        "negative",
    ),
    _talk(
        "assistant",
        "en",
        "I need a table for dinner on Friday.",
        "Gladly. In which city, and what would you like to eat?",
        "Italian food in Oakland, please. There will be four of us.",
    ),
    _talk(
        "assistant",
        "en",
        "Can you find me a film for tonight? Something funny.",
        "Is there a cinema you like to go to?",
        "Any of those in Berkeley will do. I want two tickets.",
    ),
    _talk(
        "service",
        "en",
        "Hello, could I have a large latte with oat milk?",
        "Of course. Hot or iced?",
        "Iced, and no sugar in it, please.",
    ),
    _talk(
        "service",
        "en",
        "Name the topic of this request to a bank.\n"
        "You promised me a new card two weeks ago, and my letter box is still empty.",
    ),
    _talk("smalltalk", "en", "What do you do when it rains all day?", system="You are a friendly assistant."),
    _talk("smalltalk", "de", "Guten Morgen! Hast du heute schon etwas Schönes gesehen?"),
    _talk("smalltalk", "fr", "Bonjour ! Tu préfères la mer ou la montagne ?"),
    _talk("smalltalk", "es", "Hola, ¿qué música te gusta escuchar por la noche?"),
    _talk("instruction", "en", "Give three pieces of advice to somebody whose houseplants always die."),
    _talk(
        "summary",
        "en",
        "Summarize in one sentence:\nStreet lamps are switched on by a clock, however bright the evening is. "
        "We gave forty lamps a cheap light sensor each and let neighbours agree on when to shine. Over one "
        "winter the street used a third less electricity. The people who live there noticed no difference.",
    ),
)
