"""What the reference pair is asked to be judged: held-out real records, as tasks of `camelid.compare`.

The corpus is read again by the recipe that lies in pair.json, and split again as it was: what is asked was on
the held-out side of the pair's own split, and the baselines learn from exactly what the models learnt from.
Beside it test_2016_flickr of Multi30k is asked, of which no recipe here reads anything.
"""

import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import reference_baselines
from reference_baselines import Dictionary

from camelid.compare.task import Item, Task, ask_last, make_item, without_repeats
from camelid.compare.tasks import generation, sentiment, summarization
from camelid.errors import DataError
from camelid.model.pairfile import PairFile
from camelid.recipe import fill
from camelid.text.corpus import Corpus, build_corpus
from camelid.text.languages import LANGUAGE_NAMES
from camelid.text.phrases import ask_translation
from camelid.text.records import Message, Record
from camelid.text.sources import Source

PAIRED = {
    "de": "en-de",
    "es": "en-es",
    "fr": "en-fr",
}  # the source that has each language's pairs with English
MULTI30K = ("en", "de", "fr")
STORY_TOKENS = 200
MULTILINGUAL = ("de", "es", "fr")

COPY, DICTIONARY = "copying the source", "word dictionary"
LABELS = "TF-IDF and logistic regression"
LEAD = "first sentence"
DRAWN = "an answer drawn from the training data"
GOLD = "the story itself"

Answer = Callable[[Item], str]
_OWN = "camelid's own corpus, held out"


@dataclass(frozen=True)
class Part:
    """One thing that is asked. where: what the records are; beside: the baselines' answers, by name."""

    task: Task
    where: str
    beside: dict[str, Answer] = field(default_factory=dict)


# --- the data ---------------------------------------------------------------------------------------------


def rebuild_corpus(file: PairFile, folder: Path, data_root: Path) -> Corpus:
    """Return the corpus that a pair was raised on, split as it was.

    Raises DataError when it is not there, or is not the same any more.
    """
    sources = read_sources(file)
    if not sources:
        raise DataError(f"{folder} does not say what it was raised by. Take a pair that camelid train made.")
    missing = next(
        (source.path for source in sources if source.path and not _is_there(data_root, source)), ""
    )
    if missing:
        raise DataError(
            f"There is no {missing} in {data_root}, which {file.name} was raised on: --data-root."
        )
    corpus = build_corpus(sources, data_root=data_root, seed=file.provenance["recipe"]["seed"])
    _check_same(folder / "stages" / "corpus" / "report.json", corpus)
    return corpus


def read_sources(file: PairFile) -> list[Source]:
    """Return the sources of the recipe that a pair was raised by; none where it does not say."""
    return [fill(Source, table) for table in file.provenance.get("recipe", {}).get("source", ())]


def _is_there(data_root: Path, source: Source) -> bool:
    return any(data_root.glob(source.path)) or any(data_root.glob(f"{source.path}.*"))


def _check_same(report: Path, corpus: Corpus) -> None:
    """Raise DataError when other records were trained on than there are now."""
    if not report.is_file():
        return
    then = {entry["name"]: entry for entry in json.loads(report.read_text(encoding="utf-8"))["sources"]}
    for now in corpus.report:
        before = then.get(now.name, {})
        if (now.train, now.held_out) != (before.get("train"), before.get("held_out")):
            raise DataError(
                f"Of {now.name} there were {before.get('train')} records to train on, now {now.train}: the "
                "data have changed since the pair was raised, and what was held out is not known."
            )


# --- the parts --------------------------------------------------------------------------------------------


def make_parts(corpus: Corpus, file: PairFile, data_root: Path, *, limit: int, seed: int = 0) -> list[Part]:
    """Return all that can be asked with these data, each of at most `limit` items, drawn with the seed."""
    prompts = {source["name"]: source["prompt"] for source in file.provenance["recipe"]["source"]}
    parts = [
        *_make_stories(corpus),
        *_make_summaries(corpus, prompts),
        *_make_translations(corpus, data_root, limit, seed),
        *_make_sentiments(corpus, prompts),
        *_make_intents(corpus, prompts),
        *_make_talks(corpus, seed),
    ]
    return [_limited(part, limit, seed) for part in parts if part.task.pool]


def _limited(part: Part, limit: int, seed: int) -> Part:
    if len(part.task.pool) <= limit:
        return part
    return replace(part, task=replace(part.task, pool=tuple(part.task.items(limit, seed))))


def _make_stories(corpus: Corpus) -> list[Part]:
    records = [record for name in ("stories-valid", "stories") for record in corpus.held_out.get(name, ())]
    task = replace(generation.make_task(records), name="stories", title="Stories", max_tokens=STORY_TOKENS)
    where = "TinyStories: the published validation stories and our own held-out ones"
    return [Part(task, where, {GOLD: lambda item: item.target})]


def _make_summaries(corpus: Corpus, prompts: dict[str, Any]) -> list[Part]:
    parts = []
    told = {
        "abstracts": ("Abstract to a sentence", "SciTLDR, held out by paper"),
        "titles": ("Story to its title", "picture books, held out by story, all languages"),
    }
    for name, (title, where) in told.items():
        task = replace(summarization.make_task(corpus.held_out.get(name, ())), name=name, title=title)
        asked = _templates(prompts.get(name))
        parts.append(Part(task, where, {LEAD: _lead_of(asked)}))
    return parts


def _lead_of(prompts: Sequence[str]) -> Answer:
    return lambda item: reference_baselines.lead(
        reference_baselines.unfill(prompts, item.messages[-1].content)
    )


def _make_sentiments(corpus: Corpus, prompts: dict[str, Any]) -> list[Part]:
    told = {
        "film-sentences": ("Sentences on films", "sentence polarity, held out"),
        "pros-cons": ("Product reviews", "pros and cons, held out"),
        "world-reviews": ("Reviews in four languages", _OWN),
    }
    parts = []
    for name, (title, where) in told.items():
        task = replace(sentiment.make_task(corpus.held_out.get(name, ())), name=name, title=title)
        parts.append(Part(task, where, _labels_beside(corpus, name, _templates(prompts.get(name)))))
    return parts


def _make_intents(corpus: Corpus, prompts: dict[str, Any]) -> list[Part]:
    """Return Banking77: the likeliest of all intents that the training data have."""
    name = "banking"
    trained = corpus.train.get(name, ())
    intents = tuple(sorted({record.answer for record in trained}))
    items = _items(corpus.held_out.get(name, ()), choices=intents)
    task = Task(name, "A customer's intent", ("accuracy",), "choose", items)
    where = f"Banking77, held out, one of {len(intents)} intents"
    return [Part(task, where, _labels_beside(corpus, name, _templates(prompts.get(name))))]


def _labels_beside(corpus: Corpus, name: str, prompts: Sequence[str]) -> dict[str, Answer]:
    """Return the baseline that learns a source's labels from the records that the models learnt them from."""
    records = corpus.train.get(name, ())
    if not records:
        return {}
    texts = [reference_baselines.unfill(prompts, record.messages[-2].content) for record in records]
    say = reference_baselines.learn_labels(texts, [record.answer for record in records])
    return {LABELS: lambda item: say(reference_baselines.unfill(prompts, item.messages[-1].content))}


def _make_talks(corpus: Corpus, seed: int) -> list[Part]:
    """Return the conversations: of each one answer, in the context of all before it."""
    told = {
        "assistant": "Assistant's turns",
        "coffee": "Orders taken",
        "friendly": "Small talk, friendly",
        "professional": "Small talk, professional",
    }
    parts = [_make_talk(name, title, (name,), corpus, seed) for name, title in told.items()]
    for lang in ("en", *MULTILINGUAL):
        title, keep = f"Small talk in {LANGUAGE_NAMES[lang]}", _keeper(lang, smalltalk=True)
        parts.append(_make_talk(f"smalltalk.{lang}", title, ("chatter", "world-talk"), corpus, seed, keep))
        title, keep = f"A farm shop's talk in {LANGUAGE_NAMES[lang]}", _keeper(lang, smalltalk=False)
        parts.append(_make_talk(f"village.{lang}", title, ("world-talk",), corpus, seed, keep))
    return parts


_TALKS = {
    "assistant": "Schema-Guided Dialogue, held out by dialogue",
    "coffee": "Taskmaster-4, held out by dialogue",
    "friendly": "Personality Chat, held out by answer",
    "professional": "Personality Chat, held out by answer",
    "chatter": "ChatterBot's corpus, held out",
    "world-talk": _OWN,
}


def _keeper(lang: str, *, smalltalk: bool) -> Callable[[Record], bool]:
    return lambda record: record.lang == lang and (record.task == "smalltalk") == smalltalk


def _make_talk(
    name: str,
    title: str,
    sources: Sequence[str],
    corpus: Corpus,
    seed: int,
    keep: Callable[[Record], bool] = lambda _: True,
) -> Part:
    """Return the conversations of some sources that are to be kept."""
    held, trained = (
        [record for source in sources for record in side.get(source, ()) if keep(record)]
        for side in (corpus.held_out, corpus.train)
    )
    where = "; ".join(_TALKS[source] for source in sources if corpus.held_out.get(source))
    answers = [turn.content for record in trained for turn in record.messages if turn.role == "assistant"]
    pool = _items(_cut_anywhere(held, seed))
    task = Task(name, title, ("chrf", "exact_match", "bits_per_byte"), "generate", pool)
    beside: dict[str, Answer] = {}
    if answers:
        beside[DRAWN] = lambda item: random.Random(item.id).choice(answers)
    return Part(task, where, beside)


def _cut_anywhere(records: Iterable[Record], seed: int) -> list[Record]:
    """Return conversations that end with one of their answers, drawn; one of each, so that all are apart."""
    draw = random.Random(seed)
    cut = []
    for record in records:
        ends = [place for place, turn in enumerate(record.messages) if turn.role == "assistant" and place]
        if ends:
            cut.append(replace(record, messages=record.messages[: draw.choice(ends) + 1]))
    return cut


def _items(records: Iterable[Record], choices: tuple[str, ...] = ()) -> tuple[Item, ...]:
    asked = [(record, ask_last(record.messages)) for record in records if record.is_chat]
    items = (
        make_item(found[1], messages=found[0], lang=record.lang, task=record.task)
        for record, found in asked
        if found
    )
    return without_repeats(replace(item, choices=choices) for item in items)


def _templates(prompt: Any) -> tuple[str, ...]:
    return (prompt,) if isinstance(prompt, str) else tuple(prompt or ())


# --- translation ------------------------------------------------------------------------------------------


def _make_translations(corpus: Corpus, data_root: Path, limit: int, seed: int) -> list[Part]:
    """Return each direction of Tatoeba, and of Multi30k.

    A direction without English was never trained on: its sentences share an English one that was held out.
    """
    dictionaries = _learn_dictionaries(corpus)
    held = {
        lang: _first_of_each(_sentence_pairs(corpus.held_out.get(name, ()))) for lang, name in PAIRED.items()
    }
    parts = []
    for lang, pairs in held.items():
        both = [(one, two) for one, two in pairs.items()]
        parts += _both_ways("tatoeba", "en", lang, both, dictionaries)
    langs = [lang for lang in held if held[lang]]
    for place, one in enumerate(langs):
        for two in langs[place + 1 :]:
            shared = [
                (held[one][english], held[two][english]) for english in held[one] if english in held[two]
            ]
            parts += _both_ways("pivot", one, two, shared, dictionaries)
    texts = _read_multi30k(data_root)
    for place, one in enumerate(MULTI30K):
        for two in MULTI30K[place + 1 :]:
            lines = list(zip(texts[one], texts[two], strict=True)) if texts else []
            random.Random(seed).shuffle(lines)
            parts += _both_ways("multi30k", one, two, lines[:limit], dictionaries)
    return parts


_WHERE = {
    "tatoeba": "Tatoeba, held out by the English sentence",
    "pivot": "Tatoeba, held out; no such pairs were trained on",
    "multi30k": "Multi30k, test_2016_flickr; no captions were trained on",
}


def _both_ways(
    kind: str,
    one: str,
    two: str,
    pairs: Sequence[tuple[str, str]],
    dictionaries: dict[tuple[str, str], Dictionary],
) -> list[Part]:
    turned = [(second, first) for first, second in pairs]
    return [
        _make_direction(kind, *way, sentences, dictionaries.get(way))
        for way, sentences in (((one, two), pairs), ((two, one), turned))
    ]


def _make_direction(
    kind: str, source: str, target: str, pairs: Iterable[tuple[str, str]], dictionary: Dictionary | None
) -> Part:
    items = []
    for text, answer in pairs:
        asked = (Message("user", ask_translation(text, source, target)),)
        meta = {"direction": f"{source}→{target}", "source": text}
        items.append(make_item(answer, messages=asked, lang=target, task="translation", meta=meta))
    title = f"{LANGUAGE_NAMES[source]} to {LANGUAGE_NAMES[target]}"
    task = Task(
        f"{kind}.{source}-{target}",
        title,
        ("chrf", "bleu", "exact_match"),
        "generate",
        without_repeats(items),
    )
    beside: dict[str, Answer] = {COPY: lambda item: item.meta["source"]}
    if dictionary:
        beside[DICTIONARY] = lambda item: dictionary.translate(item.meta["source"])
    return Part(task, _WHERE[kind], beside)


def _learn_dictionaries(corpus: Corpus) -> dict[tuple[str, str], Dictionary]:
    """Return a dictionary for each direction: from the training pairs, or through English."""
    found: dict[tuple[str, str], Dictionary] = {}
    for lang, name in PAIRED.items():
        pairs = _sentence_pairs(corpus.train.get(name, ()))
        if pairs:
            found["en", lang] = reference_baselines.learn_dictionary(pairs)
            found[lang, "en"] = reference_baselines.learn_dictionary([(two, one) for one, two in pairs])
    known = [lang for lang in PAIRED if ("en", lang) in found]
    for one in known:
        for two in known:
            if one != two:
                found[one, two] = found[one, "en"].then(found["en", two])
    return found


def _sentence_pairs(records: Iterable[Record]) -> list[tuple[str, str]]:
    """Return the sentences, English first, of records that ask for both directions one after the other."""
    pairs, before = [], None
    for record in records:
        if (
            before
            and before.key == record.key
            and (before.source_lang, before.lang) == (record.lang, record.source_lang)
        ):
            english, other = (record, before) if record.lang == "en" else (before, record)
            pairs.append((english.answer, other.answer))
            before = None
        else:
            before = record
    return pairs


def _first_of_each(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return one translation of each sentence: of several, which follow each other, the first."""
    found: dict[str, str] = {}
    for english, other in pairs:
        found.setdefault(english, other)
    return found


def _read_multi30k(data_root: Path) -> dict[str, list[str]]:
    files = {lang: data_root / "multi30k" / f"test_2016_flickr.{lang}.txt" for lang in MULTI30K}
    if not all(file.is_file() for file in files.values()):
        return {}
    texts = defaultdict(list)
    for lang, file in files.items():
        texts[lang] = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    return texts
