"""What the reference pair is measured beside: answers that need no language model.

A translation word by word, by a dictionary learnt from the sentence pairs that the models were trained on; a
label by TF-IDF and logistic regression, trained on the same records; a text's first sentence.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ROUNDS = 5  # of expectation and maximization
MOST_WORDS = 20  # longer sentences teach nothing: their words have too many possible partners

_WORD = re.compile(r"\w+['’]?|[^\w\s]")
_NO_WORD = ""  # what a word that has no partner comes from


@dataclass(frozen=True)
class Dictionary:
    """For each word in lower case the likeliest word of the other language."""

    words: dict[str, str]

    def translate(self, text: str) -> str:
        """Return a text word by word, in its order; what is not known stays."""
        said = [self.words.get(word.lower(), word) for word in _WORD.findall(text)]
        joined = _join(said)
        return joined[:1].upper() + joined[1:]

    def then(self, other: "Dictionary") -> "Dictionary":
        """Return the dictionary that looks each word up here, and what it finds there."""
        return Dictionary({word: other.words.get(mid.lower(), mid) for word, mid in self.words.items()})


def learn_dictionary(pairs: Iterable[tuple[str, str]], rounds: int = ROUNDS) -> Dictionary:
    """Return the dictionary that sentence pairs teach.

    Source: Brown et al. 1993 (J93-2003), model 1, with the word that is not there.
    """
    sides = [(_WORD.findall(one.lower()), _words_in_case(two)) for one, two in pairs]
    sides = [(one, two) for one, two in sides if 0 < len(one) <= MOST_WORDS and 0 < len(two) <= MOST_WORDS]
    if not sides:
        return Dictionary({})
    sources, source_ids = _number(one for one, _ in sides)
    targets, target_ids = _number(two for _, two in sides)
    source, target, place = _partners(source_ids, target_ids, sources[_NO_WORD])
    pair, at = np.unique(source * len(targets) + target, return_inverse=True)
    of_pair, num_places = pair // len(targets), int(place.max()) + 1
    odds = np.ones(len(pair))
    for _ in range(rounds):
        likely = odds[at]
        likely /= np.bincount(place, likely, num_places)[place]
        counts = np.bincount(at, likely, len(pair))
        odds = counts / np.bincount(of_pair, counts, len(sources))[of_pair]
    names, others = list(sources), list(targets)
    order = np.lexsort((-odds, of_pair))
    known, first = np.unique(of_pair[order], return_index=True)
    best = zip(known.tolist(), (pair[order[first]] % len(targets)).tolist(), strict=True)
    return Dictionary({names[one]: others[two] for one, two in best if names[one] != _NO_WORD})


def learn_labels(texts: Sequence[str], labels: Sequence[str]) -> Callable[[str], str]:
    """Return what says the label of a text: logistic regression on TF-IDF of words and pairs of words."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    pipeline = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2 if len(texts) > 1000 else 1),
        LogisticRegression(C=10.0, max_iter=1000),
    )
    pipeline.fit(list(texts), list(labels))
    return lambda text: str(pipeline.predict([text])[0])


def lead(text: str) -> str:
    """Return the first sentence of a text."""
    found = re.search(r"[.!?…][”\"»’']?(?=\s)|\n", text.strip())
    return (text.strip()[: found.end()] if found else text).strip()


def unfill(prompts: Sequence[str], filled: str) -> str:
    """Return what stands in a prompt where its template has its one column; the whole if none fits."""
    found = []
    for prompt in prompts:
        before, column, after = re.match(r"(?s)(.*?)(\{\w+\})(.*)", prompt).groups()
        if column and filled.startswith(before) and filled.endswith(after):
            found.append(filled[len(before) : len(filled) - len(after)])
    return min(found, key=len, default=filled).strip()


def _join(words: Sequence[str]) -> str:
    text = ""
    for word in words:
        glued = not text or text[-1] in "'’¿¡(" or (not word[0].isalnum() and word not in ("¿", "¡", "("))
        text += word if glued else f" {word}"
    return text


def _words_in_case(text: str) -> list[str]:
    """Return a sentence's words; the first in lower case, but for what is written large throughout."""
    words = _WORD.findall(text)
    return [words[0].lower(), *words[1:]] if words else []


def _number(sentences: Iterable[list[str]]) -> tuple[dict[str, int], list[list[int]]]:
    """Return the words' numbers, and the sentences in them."""
    numbers: dict[str, int] = defaultdict(lambda: len(numbers))
    _ = numbers[_NO_WORD]
    ids = [[numbers[word] for word in words] for words in sentences]
    return dict(numbers), ids


def _partners(
    sources: Sequence[list[int]], targets: Sequence[list[int]], nobody: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return every two words that may belong together, and to which word of the targets each two belongs."""
    shapes: dict[tuple[int, int], list[int]] = defaultdict(list)
    for number, (one, two) in enumerate(zip(sources, targets, strict=True)):
        shapes[len(one) + 1, len(two)].append(number)
    parts, places = [], 0
    for (wide, long), numbers in shapes.items():
        one = np.array([[nobody, *sources[number]] for number in numbers], np.int64)
        two = np.array([targets[number] for number in numbers], np.int64)
        where = places + np.arange(len(numbers) * long).reshape(len(numbers), long)
        places += len(numbers) * long
        parts.append((np.repeat(one, long, axis=1), np.tile(two, (1, wide)), np.tile(where, (1, wide))))
    source, target, place = (np.concatenate([part[index].ravel() for part in parts]) for index in range(3))
    return source, target, place
