"""Questions with a fixed answer: a topic has as many phrasings in every language, and one answer.

The table form: a line "# topic", then one line for each language: "en: question | question => answer".
"""

from dataclasses import dataclass

from camelid.errors import DataError
from camelid.text.world.grammar import LANGUAGES


@dataclass(frozen=True, slots=True)
class Topic:
    """One thing that can be asked: phrasings and the answer, by language."""

    questions: dict[str, tuple[str, ...]]
    answers: dict[str, str]

    @property
    def num_phrasings(self) -> int:
        """Return how many ways there are to ask, the same in every language."""
        return len(self.questions[LANGUAGES[0]])


def read_topics(text: str) -> dict[str, Topic]:
    """Return the topics of a table.

    Raises: DataError when a topic lacks a language or asks in more ways in one language than in another.
    """
    topics: dict[str, Topic] = {}
    for block in text.strip().split("# ")[1:]:
        name, *lines = (line.strip() for line in block.strip().splitlines())
        questions, answers = {}, {}
        for line in lines:
            lang, _, rest = line.partition(": ")
            asked, _, answer = rest.partition(" => ")
            questions[lang] = tuple(part.strip() for part in asked.split(" | "))
            answers[lang] = answer.strip()
        if set(questions) != set(LANGUAGES) or len({len(asked) for asked in questions.values()}) != 1:
            counts = {lang: len(asked) for lang, asked in questions.items()}
            raise DataError(
                f"The topic {name!r} needs equally many phrasings in every language; found {counts}."
            )
        topics[name] = Topic(questions, answers)
    return topics
