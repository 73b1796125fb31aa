"""Translation: one sentence, a request in either language, and the sentence in the other.

Besides sentences of the grammar it translates the summaries of the articles, under the articles' keys.
"""

from camelid.text.records import Message
from camelid.text.world import articles, sentences
from camelid.text.world.draws import Draws, Slots

_ARTICLES = 0.1  # the share of sentences that summarise an article

# The name of each language as it is told in a request: "into" it, and "in" it.
_INTO = {
    "en": {"en": "into English", "es": "into Spanish", "de": "into German", "fr": "into French"},
    "es": {"en": "al inglés", "es": "al español", "de": "al alemán", "fr": "al francés"},
    "de": {"en": "ins Englische", "es": "ins Spanische", "de": "ins Deutsche", "fr": "ins Französische"},
    "fr": {"en": "en anglais", "es": "en espagnol", "de": "en allemand", "fr": "en français"},
}
_IN = {
    "en": {"en": "in English", "es": "in Spanish", "de": "in German", "fr": "in French"},
    "es": {"en": "en inglés", "es": "en español", "de": "en alemán", "fr": "en francés"},
    "de": {"en": "auf Englisch", "es": "auf Spanisch", "de": "auf Deutsch", "fr": "auf Französisch"},
    "fr": {"en": "en anglais", "es": "en espagnol", "de": "en allemand", "fr": "en français"},
}
_REQUESTS = {
    "en": (
        "Translate {into}: {text}",
        "Translate this sentence {into}:\n{text}",
        "How do you say this {in_}? {text}",
        "Please translate {into}: {text}",
        "{text}\nWhat is that {in_}?",
    ),
    "es": (
        "Traduce {into}: {text}",
        "Traduce esta frase {into}:\n{text}",
        "¿Cómo se dice esto {in_}? {text}",
        "Por favor, traduce {into}: {text}",
        "{text}\n¿Cómo se dice eso {in_}?",
    ),
    "de": (
        "Übersetze {into}: {text}",
        "Übersetze diesen Satz {into}:\n{text}",
        "Wie sagt man das {in_}? {text}",
        "Bitte übersetze {into}: {text}",
        "{text}\nWas heißt das {in_}?",
    ),
    "fr": (
        "Traduis {into} : {text}",
        "Traduis cette phrase {into} :\n{text}",
        "Comment dit-on cela {in_} ? {text}",
        "S'il te plaît, traduis {into} : {text}",
        "{text}\nComment dit-on ça {in_} ?",
    ),
}


def draw(draws: Draws) -> Slots:
    """Return the slots of a sentence, of the grammar or of an article's summary, and of the request."""
    slots = articles.draw(draws) if draws.chance(_ARTICLES) else sentences.draw(draws)
    return {**slots, "_request": str(draws.number(0, 4)), "_asks": draws.one(("source", "target"))}


def write(slots: Slots, lang: str, other: str) -> tuple[Message, ...]:
    """Return the request to translate from the other language, and the sentence in this one."""
    tell = articles.summary if slots["scene"] == "article" else sentences.write
    asks = other if slots["_asks"] == "source" else lang
    request = _REQUESTS[asks][int(slots["_request"])]
    question = request.format(text=tell(slots, other), into=_INTO[asks][lang], in_=_IN[asks][lang])
    return (Message("user", question), Message("assistant", tell(slots, lang)))
