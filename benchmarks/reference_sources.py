"""Whose text the reference pair learns from, under which licence, and how to name them: for the model card.

The key is the first part of a [[source]]'s path; a source of no entry may not be shipped. Non-commercial sets
have none, on purpose.
"""

from dataclasses import dataclass

BUILTIN = "builtin"


@dataclass(frozen=True)
class Origin:
    """A data set. said: what is to be known of how it was used, beyond the recipe."""

    title: str
    by: str
    licence: str
    link: str
    said: str = ""


ORIGINS: dict[str, Origin] = {
    "tinystories_en": Origin(
        "TinyStories",
        "Ronen Eldan and Yuanzhi Li",
        "CDLA-Sharing-1.0",
        "https://huggingface.co/datasets/roneneldan/TinyStories",
        "a part of it; of some stories the capitals were restored",
    ),
    "storybooks": Origin(
        "African Storybook and Pratham Books' StoryWeaver",
        "the authors, illustrators and translators named in each story",
        "CC BY 4.0",
        "https://github.com/global-asp",
        "stories under CC BY alone, those under CC BY-NC left out",
    ),
    "fairytaleqa": Origin(
        "FairytaleQA", "Ying Xu and others", "Apache-2.0", "https://github.com/uci-soe/FairytaleQAData"
    ),
    "tinyshakespeare": Origin(
        "Tiny Shakespeare",
        "William Shakespeare, put together by Andrej Karpathy",
        "public domain",
        "https://github.com/karpathy/char-rnn",
    ),
    "tatoeba_pairs": Origin(
        "Tatoeba",
        "Tatoeba's contributors, paired by manythings.org/anki",
        "CC BY 2.0 FR",
        "https://tatoeba.org",
    ),
    "sgd": Origin(
        "Schema-Guided Dialogue",
        "Google (Abhinav Rastogi and others)",
        "CC BY-SA 4.0",
        "https://github.com/google-research-datasets/dstc8-schema-guided-dialogue",
    ),
    "taskmaster4": Origin(
        "Taskmaster-4",
        "Google",
        "CC BY 4.0",
        "https://github.com/google-research-datasets/Taskmaster",
    ),
    "banking77": Origin(
        "Banking77",
        "PolyAI (Iñigo Casanueva and others)",
        "CC BY 4.0",
        "https://github.com/PolyAI-LDN/task-specific-datasets",
    ),
    "personality_chat": Origin(
        "Personality Chat", "Microsoft", "MIT", "https://github.com/microsoft/BotBuilder-PersonalityChat"
    ),
    "chatterbot_corpus": Origin(
        "ChatterBot's corpus",
        "Gunther Cox and contributors",
        "BSD-3-Clause",
        "https://github.com/gunthercox/chatterbot-corpus",
    ),
    "alpaca_libre": Origin(
        "Alpaca Libre",
        "Maciej Obarski",
        "CC0 and MIT",
        "https://github.com/mobarski/alpaca-libre",
        "written by GPT-3.5, whose provider has terms of its own",
    ),
    "rasbt_instruction": Origin(
        "Instruction data of Build a Large Language Model (From Scratch)",
        "Sebastian Raschka",
        "Apache-2.0",
        "https://github.com/rasbt/LLMs-from-scratch",
        "written by GPT-4, whose provider has terms of its own",
    ),
    "nltk_corpora": Origin(
        "Sentence Polarity, Pros and Cons, Movie Reviews, as NLTK has them",
        "Bo Pang and Lillian Lee; Bing Liu and others",
        "CC BY 4.0",
        "https://www.nltk.org/nltk_data",
    ),
    "scitldr": Origin(
        "SciTLDR", "Isabel Cachola and others, AI2", "Apache-2.0", "https://github.com/allenai/scitldr"
    ),
    "tinystories_ru": Origin(
        "TinyStories-ru",
        "Mikhail Monashev",
        "Apache-2.0",
        "https://github.com/MichaelMonashev/TinyStories-ru",
    ),
    BUILTIN: Origin(
        "camelid's own corpus", "camelid, which writes it", "MIT", "camelid/text/world in the sources"
    ),
}
