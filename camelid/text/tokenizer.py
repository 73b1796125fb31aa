"""The tokenizer: text into token ids and back, trained here or read from any Hugging Face folder.

Such a folder has a tokenizer.json, or SentencePiece's tokenizer.model, which `pieces` reads.

Byte-level BPE by Hugging Face `tokenizers`: all 256 bytes are tokens, so any text round-trips; digits stand
apart. What a user writes never becomes a special token: only `encode_rendered` reads those, and only the
chat template's output is given to it. The split cuts where llama.cpp's "qwen2" does, so that a GGUF file of
our vocabulary needs no new code there.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, processors, trainers

from camelid.errors import TokenizerError
from camelid.files import hash_json, write_json, write_text
from camelid.text.pieces import read_core
from camelid.text.streaming import ByteDecoder, StreamDecoder, WindowDecoder, read_token_bytes
from camelid.text.turns import CAMELID_TEMPLATE, ChatTemplate, mend

SPECIAL = (
    "<|pad|>",
    "<|bos|>",
    "<|eos|>",
    "<|end|>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|tool|>",
)
NUM_BYTES = 256
MAX_PADDING = 1024  # how many more rows than tokens a model's embedding may have: checkpoints round up

# How known tokenizers call the end of a turn, for folders that do not say.
_TURN_ENDS = ("<|end|>", "<|eot_id|>", "<|im_end|>", "<end_of_turn>")

# Where text is cut before merges are learnt; the first that matches wins.
SPLIT = "|".join(
    (
        r"'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])",  # what an English apostrophe cuts off: 's, 't, 're …
        r"[^\r\n\p{L}\p{N}]?\p{L}+",  # a word, with the one blank or mark before it: " lama", "'été"
        r"\p{N}",  # a digit, always alone
        r" ?[^\s\p{L}\p{N}]+[\r\n]*",  # a run of marks, with a blank before and line ends after
        r"\s*[\r\n]+",  # line ends, with the blanks before them
        r"\s+(?!\S)",  # blanks, all but the last before a word
        r"\s+",
    )
)


class Tokenizer:
    """Text into token ids and back; it does not change, and threads may share it."""

    def __init__(
        self, core: tokenizers.Tokenizer, config: dict[str, Any], *, stop_ids: Sequence[int] = ()
    ) -> None:
        """Wrap a `tokenizers.Tokenizer` and the content of its tokenizer_config.json.

        stop_ids: further ids that end a reply, as generation_config.json may list them.

        Raises TokenizerError when neither an end of text nor an end of turn is known.
        """
        core.no_truncation()
        core.no_padding()
        core.encode_special_tokens = True  # special tokens in text are ordinary text
        self._core = core
        self._config = config
        self.vocab_size: int = max(core.get_vocab(with_added_tokens=True).values(), default=-1) + 1
        eos_id = self._find("eos_token")
        turn_ends = [found for name in _TURN_ENDS if (found := core.token_to_id(name)) is not None]
        ends = [*turn_ends, *(id_ for id_ in (eos_id, *stop_ids) if id_ is not None)]
        if not ends:
            raise TokenizerError(
                "A tokenizer must say which token ends a text; found no eos_token. "
                "Name it in tokenizer_config.json."
            )
        self.end_id: int = ends[0]
        self.eos_id: int = self.end_id if eos_id is None else eos_id
        # Foreign tokenizers may lack these two. Padded places are never learnt from, so any id will do there.
        self.bos_id: int = self._find("bos_token", self.eos_id)
        self.pad_id: int = self._find("pad_token", self.eos_id)
        self.stop_ids: tuple[int, ...] = tuple(dict.fromkeys((self.eos_id, self.end_id, *stop_ids)))
        self.template: ChatTemplate | None = _read_template(config)

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text, with no special token among them."""
        return self.encode_many([text])[0]

    def encode_many(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each text, on all cores."""
        try:
            encodings = self._core.encode_batch_fast(texts, add_special_tokens=False)
        except TypeError:  # half of a surrogate pair, which no UTF-8 can hold
            encodings = self._core.encode_batch_fast([mend(text) for text in texts], add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def encode_rendered(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Return the ids of a chat template's text, special tokens read as such, and each id's characters.

        Never give it a user's words: they could forge a turn.
        """
        encoding = self._reading_special.encode(mend(text), add_special_tokens=False)
        return encoding.ids, encoding.offsets

    def decode(self, token_ids: Iterable[int], *, skip_special: bool = True) -> str:
        """Return the text of token ids.

        Bytes that are no UTF-8 become U+FFFD; an id beyond the vocabulary is nothing.
        """
        if self.token_bytes is None:
            kept = [int(token_id) for token_id in token_ids if 0 <= token_id < self.vocab_size]
            return str(self._core.decode(kept, skip_special_tokens=skip_special))
        decoder = ByteDecoder(self.token_bytes, self.special_ids if skip_special else frozenset())
        return "".join([*(decoder.push(token_id) for token_id in token_ids), decoder.flush()])

    def decoder(self, *, skip_special: bool = True, after: Sequence[int] = ()) -> StreamDecoder:
        """Return a decoder that takes one id at a time; its joined pieces equal `decode` of all ids.

        after: ids that the text goes on from, not given again: SentencePiece's vocabularies drop the blank
            before the first word of a text, but not before a word in its middle.
        """
        skipped = self.special_ids if skip_special else frozenset()
        if self.token_bytes is None:
            return WindowDecoder(self._core, self.vocab_size, skipped, after)
        return ByteDecoder(self.token_bytes, skipped)

    def id_of(self, token: str) -> int:
        """Return the id of a token by its name.

        Raises TokenizerError when the vocabulary lacks it.
        """
        found = self._core.token_to_id(token)
        if found is None:
            raise TokenizerError(
                f"The vocabulary has no token {token!r}. Use the tokenizer the model came with."
            )
        return int(found)

    @cached_property
    def special_ids(self) -> frozenset[int]:
        """The ids that stand for no text."""
        added = self._core.get_added_tokens_decoder()
        return frozenset(token_id for token_id, token in added.items() if token.special)

    @cached_property
    def special_tokens(self) -> tuple[str, ...]:
        """The special tokens as text, by id."""
        added = self._core.get_added_tokens_decoder()
        return tuple(added[token_id].content for token_id in sorted(self.special_ids))

    @cached_property
    def token_bytes(self) -> list[bytes] | None:
        """The bytes of each token by id; None when the vocabulary is not byte-level."""
        return read_token_bytes(self._core, self.vocab_size)

    @cached_property
    def num_bytes(self) -> list[int]:
        """How many UTF-8 bytes of text each token stands for, by id; 0 for a special token.

        Exact for byte-level vocabularies; elsewhere a marker of a word's beginning counts as its blank.
        """
        if self.token_bytes is not None:
            sizes = [len(value) for value in self.token_bytes]
        else:
            names = (self._core.id_to_token(token_id) or "" for token_id in range(self.vocab_size))
            sizes = [1 if _is_byte(name) else len(name.replace("▁", " ").encode()) for name in names]
        return [0 if token_id in self.special_ids else size for token_id, size in enumerate(sizes)]

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that stand for how text becomes ids: merges, split, chat template."""
        parts = json.loads(self._core.to_str())
        kept = {key: parts.get(key) for key in ("model", "added_tokens", "normalizer", "pre_tokenizer")}
        return hash_json([kept, self.template.source if self.template else None])

    @cached_property
    def vocabulary(self) -> str:
        """16 hexadecimal digits that stand for how text becomes ids, whatever the chat template."""
        parts = json.loads(self._core.to_str())
        return hash_json([parts.get(key) for key in ("model", "added_tokens", "normalizer", "pre_tokenizer")])

    def has_token(self, token: str) -> bool:
        """Tell whether the vocabulary has a token of that name."""
        return self._core.token_to_id(token) is not None

    def named_id(self, role: str) -> int | None:
        """Return the id of the token that tokenizer_config.json names for a role, such as "unk_token"."""
        found: int | None = self._find(role)
        return found

    @property
    def begins_with_bos(self) -> bool:
        """Tell whether other programs put `bos_id` before a text, as tokenizer.json says."""
        return self._reading_special.encode("", add_special_tokens=True).ids[:1] == [self.bos_id]

    def to_dict(self) -> dict[str, Any]:
        """Return the content of tokenizer.json."""
        return dict(json.loads(self._core.to_str()))

    def with_template(self, source: str) -> "Tokenizer":
        """Return this tokenizer with another chat template, Jinja."""
        core = tokenizers.Tokenizer.from_str(self._core.to_str())
        return Tokenizer(core, {**self._config, "chat_template": source}, stop_ids=self.stop_ids)

    def has_same_tokens(self, other: "Tokenizer") -> bool:
        """Tell whether every id stands for the same token in both."""
        return self._core.get_vocab() == other._core.get_vocab()

    def adopt(self, other: "Tokenizer") -> "Tokenizer":
        """Return this tokenizer with the other's way from text to ids; special roles and template stay."""
        core = tokenizers.Tokenizer.from_str(other._core.to_str())
        return Tokenizer(core, self._config, stop_ids=self.stop_ids)

    def save(self, folder: Path | str, *, model_max_length: int | None = None) -> None:
        """Write tokenizer.json and tokenizer_config.json as `transformers` reads them.

        model_max_length: the longest input in tokens, where known.
        """
        config = dict(self._config)
        if model_max_length is not None:
            config["model_max_length"] = model_max_length
        if self.template is not None:
            config["chat_template"] = self.template.source
        write_text(Path(folder) / "tokenizer.json", self._core.to_str(pretty=True))
        write_json(Path(folder) / "tokenizer_config.json", config)

    @classmethod
    def load(cls, folder: Path | str) -> "Tokenizer":
        """Return the tokenizer of a model folder, ours or any other with a tokenizer.json or tokenizer.model.

        Raises TokenizerError when a file is missing or broken.
        """
        folder = Path(folder)
        config = _read_json(folder / "special_tokens_map.json") | _read_json(folder / "tokenizer_config.json")
        template = folder / "chat_template.jinja"  # where transformers 5 writes it, and looks first
        if template.is_file():
            config["chat_template"] = template.read_text(encoding="utf-8")
        generation = _read_json(folder / "generation_config.json")
        stop_ids = generation.get("eos_token_id") or []
        try:
            core, told = _read_core(folder, config)
            return cls(core, told, stop_ids=[stop_ids] if isinstance(stop_ids, int) else stop_ids)
        except TokenizerError as error:
            raise TokenizerError(f"{folder}: {error}") from error

    def _find(self, key: str, default: Any = None) -> Any:
        """Return the id of the token that the config names, or `default`."""
        named = self._config.get(key)
        text = named.get("content") if isinstance(named, dict) else named
        found = self._core.token_to_id(text) if isinstance(text, str) else None
        return default if found is None else found

    @cached_property
    def _reading_special(self) -> tokenizers.Tokenizer:
        return tokenizers.Tokenizer.from_str(self._core.to_str())


def train_tokenizer(texts: Iterable[str], *, vocab_size: int) -> Tokenizer:
    """Return a tokenizer learnt from texts; the same texts give the same one, on any number of cores.

    vocab_size: tokens in all, the 8 special ones and the 256 bytes among them. Little text gives fewer.

    Raises TokenizerError when vocab_size has no room for these, or there is no text.
    """
    least = NUM_BYTES + len(SPECIAL)
    if vocab_size < least:
        raise TokenizerError(
            f"vocab_size must be at least {least} ({NUM_BYTES} bytes and {len(SPECIAL)} special tokens); "
            f"found {vocab_size}. Use 4096 for one language, 8192 or more for several."
        )
    core = tokenizers.Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        show_progress=False,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIAL],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    core.train_from_iterator(_checked(texts), trainer)
    bos = SPECIAL[1]
    core.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A {bos}:1 $B:1", special_tokens=[(bos, 1)]
    )
    return Tokenizer(core, _own_config())


def check_tokenizer_fits(tokenizer: Tokenizer, vocab_size: int) -> None:
    """Check that a model with `vocab_size` embeddings can have been trained with this tokenizer.

    Raises TokenizerError when it cannot.
    """
    if not vocab_size - MAX_PADDING <= tokenizer.vocab_size <= vocab_size:
        raise TokenizerError(
            f"The model knows {vocab_size} tokens, its tokenizer {tokenizer.vocab_size}: they do not belong "
            "together. Use the tokenizer.json that the model was trained with."
        )


def _checked(texts: Iterable[str]) -> Iterator[str]:
    empty = True
    for text in texts:
        empty = empty and not text
        yield mend(text)
    if empty:
        raise TokenizerError("A tokenizer needs text to learn from; found none. Check the recipe's sources.")


def _own_config() -> dict[str, Any]:
    """Return what tokenizer_config.json says of a tokenizer trained here."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": SPECIAL[1],
        "eos_token": SPECIAL[2],
        "pad_token": SPECIAL[0],
        "padding_side": "left",
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
        "chat_template": CAMELID_TEMPLATE,
    }


def _read_template(config: dict[str, Any]) -> ChatTemplate | None:
    """Return the template that a config holds: a text, or a list of named ones with a default."""
    source = config.get("chat_template")
    if isinstance(source, list):
        named = {entry.get("name"): entry.get("template") for entry in source if isinstance(entry, dict)}
        source = named.get("default")
    if not isinstance(source, str):
        return None
    tokens = {key: value for key, value in config.items() if key.endswith("_token") and value}
    written = {key: value["content"] if isinstance(value, dict) else value for key, value in tokens.items()}
    return ChatTemplate(
        source, special_tokens={key: value for key, value in written.items() if isinstance(value, str)}
    )


def _read_core(folder: Path, config: dict[str, Any]) -> tuple[tokenizers.Tokenizer, dict[str, Any]]:
    """Return the library's tokenizer of a folder, and the config with what only tokenizer.model says."""
    path, model = folder / "tokenizer.json", folder / "tokenizer.model"
    if model.is_file() and not path.is_file():
        later: dict[int, Any] = {
            number: name for name, number in _read_json(folder / "added_tokens.json").items()
        }
        for number, entry in (config.get("added_tokens_decoder") or {}).items():
            later[int(number)] = entry.get("content") if isinstance(entry, dict) else entry
        core, named = read_core(model, later, add_bos=bool(config.get("add_bos_token", True)))
        return core, {**named, **{key: value for key, value in config.items() if value is not None}}
    if not path.is_file():
        raise TokenizerError("there is no tokenizer.json. Copy the one that the model was trained with.")
    try:
        return tokenizers.Tokenizer.from_file(str(path)), config
    except Exception as error:  # tokenizers raises bare Exception
        raise TokenizerError(
            f"tokenizer.json cannot be read ({error}). Copy the one that the model was trained with."
        ) from error


def _read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object, {} when there is no such file."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        raise TokenizerError(
            f"{path} cannot be read ({error}). Copy it anew from where the model came."
        ) from error
    if not isinstance(value, dict):
        raise TokenizerError(f"{path} must hold a JSON object; found {type(value).__name__}. Copy it anew.")
    return value


def _is_byte(name: str) -> bool:
    """Tell whether a token is SentencePiece's name of one byte: <0xE2>."""
    return len(name) == 6 and name.startswith("<0x") and name.endswith(">")
