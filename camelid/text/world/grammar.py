"""Agreement, case, elision and contraction for the four languages of the built-in world.

A `Word` is a noun or a person that a template can inflect: `{item:the.dat}` asks for a form, `{who:he/she}`
chooses by gender (masculine/feminine/neuter/plural). `smooth` then makes a sentence of the filled template:
contractions (al, du, zum), elisions (l', d', qu'), a/an, the capital at the start.
"""

import re
from collections.abc import Mapping
from functools import cache

LANGUAGES = ("en", "es", "de", "fr")
GENDERS = "mfn"
PLURAL = 3


class Word:
    """A word with its forms; formatting it with a spec gives the form.

    A spec is the name of a form ("the", "a.acc", "some"), or choices by gender: "he/she", "er/sie/es/sie".
    """

    __slots__ = ("forms", "gender")

    def __init__(self, forms: Mapping[str, str], gender: int) -> None:
        self.forms = forms
        self.gender = gender

    def __format__(self, spec: str) -> str:
        if "/" in spec:
            choices = spec.split("/")
            return choices[min(self.gender, len(choices) - 1)]
        return self.forms[spec]

    def __str__(self) -> str:
        return self.forms[""]

    def form(self, determiner: str, case: str = "nom") -> str:
        """Return the form of a determiner in a case; a language without cases ignores the case."""
        if case != "nom":
            inflected = self.forms.get(f"{determiner}.{case}")
            if inflected is not None:
                return inflected
        return self.forms[determiner]


class Noun:
    """One noun of one language: singular, plural, gender, and the oblique singular of a weak German noun."""

    __slots__ = ("gender", "oblique", "plural", "singular")

    def __init__(self, singular: str, plural: str, gender: int, oblique: str = "") -> None:
        self.singular = singular
        self.plural = plural
        self.gender = gender
        self.oblique = oblique or singular


_ARTICLE_GENDER = {"un": 0, "una": 1, "une": 1, "der": 0, "die": 1, "das": 2}
_VOWELS = "aeiouáéíóú"


def parse_noun(lang: str, entry: str) -> Noun:
    """Return the noun of a table entry: "scarf/scarves", "una oveja", "der Hirte/Hirten/Hirten"."""
    gender = 0
    if lang != "en":
        article, _, entry = entry.partition(" ")
        gender = _ARTICLE_GENDER[article]
    singular, *rest = entry.split("/")
    plural = rest[0] if rest else _regular_plural(lang, singular)
    return Noun(singular, plural, gender, rest[1] if len(rest) > 1 else "")


def _regular_plural(lang: str, singular: str) -> str:
    if lang == "es" and singular[-1] not in _VOWELS:
        return singular + "es"
    return singular + ("" if lang == "de" else "s")


class Adjective:
    """One adjective of one language: masculine, feminine, before a vowel, plurals, and where it stands."""

    __slots__ = ("before", "feminine", "liaison", "masculine", "plurals")

    def __init__(self, lang: str, entry: str) -> None:
        self.before = lang in ("en", "de") or entry.startswith("^")
        parts = entry.lstrip("^").split("/")
        self.masculine = parts[0]
        self.feminine = parts[1] if len(parts) > 1 else _feminine(lang, parts[0])
        self.liaison = parts[2] if len(parts) > 2 else parts[0]
        self.plurals = (_adjective_plural(lang, self.masculine), _adjective_plural(lang, self.feminine))

    def agree(self, gender: int, *, plural: bool = False) -> str:
        """Return the form for a gender and number (Spanish and French; English has one form)."""
        if plural:
            return self.plurals[1 if gender == 1 else 0]
        return self.feminine if gender == 1 else self.masculine


def _feminine(lang: str, masculine: str) -> str:
    if lang == "es" and masculine.endswith("o"):
        return masculine[:-1] + "a"
    if lang == "fr" and not masculine.endswith("e"):
        return masculine + "e"
    return masculine


def _adjective_plural(lang: str, form: str) -> str:
    if lang == "es":
        if form.endswith("ón"):
            return form[:-2] + "ones"
        return form + ("s" if form[-1] in _VOWELS else "es")
    if lang == "fr":
        if form.endswith(("s", "x")) or " " in form:
            return form
        return form + ("x" if form.endswith("eau") else "s")
    return form


# German: articles and adjective endings by case, then gender (m, f, n, plural).
_DE_THE = {"nom": "der die das die", "acc": "den die das die", "dat": "dem der dem den"}
_DE_A = {"nom": "ein eine ein -", "acc": "einen eine ein -", "dat": "einem einer einem -"}
_DE_WEAK = {"nom": "e e e en", "acc": "en e e en", "dat": "en en en en"}
_DE_MIXED = {"nom": "er e es e", "acc": "en e es e", "dat": "en en en en"}
_DE_STRONG = {"nom": "er e es e", "acc": "en e es e", "dat": "em er em en"}
_DE_KINDS = {
    "the": (_DE_THE, _DE_WEAK, ""),
    "a": (_DE_A, _DE_MIXED, ""),
    "my": (_DE_A, _DE_MIXED, "m"),
    "no": (_DE_A, _DE_MIXED, "k"),
    "some": (None, _DE_STRONG, ""),
}


def _german_forms(noun: Noun, adjective: str) -> dict[str, str]:
    forms = {"": noun.singular, "pl": noun.plural}
    for determiner, (articles, endings, initial) in _DE_KINDS.items():
        for case in ("nom", "acc", "dat"):
            for number in ("", ".pl"):
                column = PLURAL if number else noun.gender
                article = articles[case].split()[column] if articles else ""
                ending = endings[case].split()[column]
                if initial:
                    article = initial + ("eine" + ("n" if case == "dat" else "") if number else article)
                    ending = "en" if number else ending
                if number:
                    head = _german_dative_plural(noun.plural) if case == "dat" else noun.plural
                else:
                    head = noun.singular if case == "nom" else noun.oblique
                described = f"{_german_stem(adjective)}{ending}" if adjective else ""
                words = [word for word in (article.strip("-"), described, head) if word]
                forms[determiner + number + ("" if case == "nom" else f".{case}")] = " ".join(words)
    return forms


def _german_stem(adjective: str) -> str:
    """Return the stem that takes endings: teuer gives teur, dunkel gives dunkl, leise gives leis."""
    if adjective.endswith(("uer", "kel")):
        return adjective[:-2] + adjective[-1]
    return adjective.removesuffix("e")


def _german_dative_plural(plural: str) -> str:
    return plural if plural.endswith(("n", "s")) else plural + "n"


_ARTICLES = {
    ("en", "the"): ("the", "the", "the", "the"),
    ("en", "a"): ("a", "a", "", ""),
    ("en", "my"): ("my", "my", "my", "my"),
    ("en", "no"): ("no", "no", "no", "no"),
    ("en", "some"): ("", "", "", ""),
    ("es", "the"): ("el", "la", "los", "las"),
    ("es", "a"): ("un", "una", "", ""),
    ("es", "my"): ("mi", "mi", "mis", "mis"),
    ("es", "no"): ("ningún", "ninguna", "", ""),
    ("es", "some"): ("", "", "", ""),
    ("fr", "the"): ("le", "la", "les", "les"),
    ("fr", "a"): ("un", "une", "des", "des"),
    ("fr", "my"): ("mon", "ma", "mes", "mes"),
    ("fr", "no"): ("pas de", "pas de", "pas de", "pas de"),
    ("fr", "some"): ("du", "de la", "des", "des"),
}
_FR_SILENT = re.compile(r"[aeiouyâàéèêëîïôûùœ]|h(?!aut|ibou|éros|aricot|angar|érisson|uacaya)", re.IGNORECASE)


def _romance_forms(lang: str, noun: Noun, adjective: Adjective | None) -> dict[str, str]:
    heads = []
    for plural in (False, True):
        word = noun.plural if plural else noun.singular
        if adjective is None:
            heads.append(word)
            continue
        described = adjective.agree(noun.gender, plural=plural)
        if adjective.before and not plural and noun.gender == 0 and _FR_SILENT.match(word):
            described = adjective.liaison
        heads.append(f"{described} {word}" if adjective.before else f"{word} {described}")
    forms = {"": heads[0], "pl": heads[1]}
    for determiner in ("the", "a", "my", "no", "some"):
        articles = _ARTICLES[lang, determiner]
        for offset, (number, head) in enumerate(zip(("", ".pl"), heads, strict=True)):
            article = articles[2 * offset + min(noun.gender, 1)]
            if lang == "fr" and not number and _FR_SILENT.match(head):
                article = {"ma": "mon", "du": "de l'", "de la": "de l'"}.get(article, article)
            if lang == "fr" and number and article == "des" and adjective is not None and adjective.before:
                article = "de"
            glue = "" if article.endswith("'") or not article else " "
            forms[determiner + number] = f"{article}{glue}{head}"
    return forms


@cache
def _parsed_adjective(lang: str, entry: str) -> Adjective:
    return Adjective(lang, entry)


@cache
def noun_word(lang: str, entry: str, adjective: str = "") -> Word:
    """Return a table's noun, described by a table's adjective if one is given, with all its forms."""
    noun = parse_noun(lang, entry)
    if lang == "de":
        return Word(_german_forms(noun, adjective), noun.gender)
    parsed = _parsed_adjective(lang, adjective) if adjective else None
    return Word(_romance_forms(lang, noun, parsed), noun.gender)


@cache
def predicate(lang: str, adjective: str, gender: int, *, plural: bool = False) -> str:
    """Return an adjective after "to be": es roja, fr rouges, de rot, en red."""
    return adjective if lang == "de" else _parsed_adjective(lang, adjective).agree(gender, plural=plural)


_CONTRACTIONS = {
    "en": [],
    "es": [(r"\b([Dd])e el\b", r"\1el"), (r"\b([Aa]) el\b", r"\1l"), (r"\by (?=h?[iIíÍ](?!e))", "e ")],
    "de": [
        (r"\b([Zz])u dem\b", r"\1um"),
        (r"\b([Zz])u der\b", r"\1ur"),
        (r"\b([Ii])n dem\b", r"\1m"),
        (r"\b([Aa])n dem\b", r"\1m"),
        (r"\b([Ii])n das\b", r"\1ns"),
        (r"\b([Aa])n das\b", r"\1ns"),
        (r"\b([Bb])ei dem\b", r"\1eim"),
        (r"\b([Vv])on dem\b", r"\1om"),
    ],
    "fr": [
        (
            r"(?<!-)\b([DdLlNnJjMmTtSs]|[Qq]u|[Jj]usqu|[Ll]orsqu|[Pp]uisqu)[ea] "
            r"(?=[aeiouâàéèêîôûœAEIOUÂÀÉÈÊÎÔÛŒ](?!nze\b|ui\b)|y\b|h(?!aut|uit|ibou|éros|aricot|angar|érisson|uacaya))",
            r"\1'",
        ),
        (r"\b([Ss])i (?=ils?\b)", r"\1'"),
        (r"\b([Dd])e le\b(?!-)", r"\1u"),
        (r"\b([Dd])e les\b(?!-)", r"\1es"),
        (r"\bà le\b", "au"),
        (r"\bÀ le\b", "Au"),
        (r"\bà les\b", "aux"),
    ],
}
_COMPILED = {
    lang: [(re.compile(pattern), replacement) for pattern, replacement in rules]
    for lang, rules in _CONTRACTIONS.items()
}
_AN = re.compile(r"\b([Aa]) (?=[aeiouAEIOU](?!ne|uro|ser|seful)|8|11\b|18\b|hour)")
_START = re.compile(
    r"((?:^|(?<=[.!?] )|(?<=[.!?][\"»“] )|(?<=[.!?] » )|(?<=\n))[¿¡«„\"]*\s?|(?<=: )[«„\"] ?¡?)"
    r"([a-zäöüáéíóúàâçèêœñ])"
)


def smooth(lang: str, text: str) -> str:
    """Return a filled template as the language writes it: contracted, elided, sentences capitalised."""
    if lang == "en":
        text = _AN.sub(r"\1n ", text)
    for pattern, replacement in _COMPILED[lang]:
        text = pattern.sub(replacement, text)
    return _START.sub(lambda match: match[1] + match[2].upper(), text)
