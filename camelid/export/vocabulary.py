"""A tokenizer as GGUF keeps it, and back: a list of tokens, their kinds, and merges or scores.

Two sorts are known there. "gpt2" is byte-level BPE: merges, and the name of how text is cut before them
(llama.cpp has those cuts written in code, so one that it has no name for cannot be exported). "llama" is
SentencePiece's: scores, from which the merges follow. Source: the GGUF specification of ggml, section
"Tokenizer", and llama.cpp's src/llama-vocab.cpp.
"""

import json
from collections.abc import Mapping
from typing import Any

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, processors

from camelid.errors import CamelidError, CheckpointError, TokenizerError
from camelid.text.pieces import Kind, Piece, Pieces, build_core
from camelid.text.tokenizer import SPLIT, Tokenizer

_PAD = "[PAD{}]"  # what llama.cpp's converter calls rows of the embedding that no token has
_QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
_LLAMA3 = _QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
_CUTS = {SPLIT: "qwen2", _QWEN2: "qwen2", _LLAMA3: "llama-bpe"}


def describe(tokenizer: Tokenizer, vocab_size: int) -> dict[str, Any]:
    """Return the keys of GGUF that hold a tokenizer, without their "tokenizer.ggml.", and a chat template.

    vocab_size: of the model; rows that have no token get a name.

    Raises TokenizerError for a tokenizer that llama.cpp has no code for.
    """
    table = tokenizer.to_dict()
    model = table["model"]
    if model["type"] != "BPE":
        raise TokenizerError(
            f"GGUF holds BPE tokenizers, of bytes or SentencePiece's; found {model['type']}. This model "
            "can be used as a folder only."
        )
    names = {index: name for name, index in model["vocab"].items()}
    names |= {entry["id"]: entry["content"] for entry in table["added_tokens"]}
    tokens = [names.get(index, _PAD.format(index)) for index in range(vocab_size)]
    kinds = [Kind.normal if index in names else Kind.unused for index in range(vocab_size)]
    for entry in table["added_tokens"]:
        kinds[entry["id"]] = Kind.control if entry["special"] else Kind.user
    found: dict[str, Any] = {"tokens": tokens, "bos_token_id": tokenizer.named_id("bos_token"),
             "eos_token_id": tokenizer.eos_id, "padding_token_id": tokenizer.named_id("pad_token"),
             "unknown_token_id": tokenizer.named_id("unk_token"),
             "eot_token_id": tokenizer.end_id if tokenizer.end_id != tokenizer.eos_id else None,
             "add_bos_token": tokenizer.begins_with_bos}  # fmt: skip
    if model.get("byte_fallback"):
        found |= _describe_pieces(table, tokens, kinds)
    else:
        merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
        found |= {"model": "gpt2", "pre": _name_cut(table), "merges": merges}
    return {key: value for key, value in found.items() if value is not None} | {"token_type": kinds}


def _describe_pieces(table: Mapping[str, Any], tokens: list[str], kinds: list[Kind]) -> dict[str, Any]:
    """Return scores that join tokens in the order of the merges, and mark the kinds of SentencePiece."""
    model = table["model"]
    ranks: dict[str, int] = {}
    for rank, pair in enumerate(model["merges"]):
        left, right = pair.split(" ") if isinstance(pair, str) else pair
        ranks.setdefault(left + right, rank)
    for index, name in enumerate(tokens):
        if name == model.get("unk_token"):
            kinds[index] = Kind.unknown
        elif kinds[index] == Kind.normal and len(name) == 6 and name.startswith("<0x"):
            kinds[index] = Kind.byte
    last = len(ranks) + 1  # for what no merge leads to, such as letters
    joined = [float(-ranks.get(name, last)) for name in tokens]
    scores = [score if kind == Kind.normal else 0.0 for score, kind in zip(joined, kinds, strict=True)]
    steps = json.dumps([table.get("normalizer"), table.get("pre_tokenizer")])
    prefix = '"Prepend"' in steps or '"prepend_scheme": "first"' in steps or '"always"' in steps
    return {"model": "llama", "pre": "default", "scores": scores, "add_space_prefix": prefix}


def _name_cut(table: Mapping[str, Any]) -> str:
    """Return llama.cpp's name of how a byte-level tokenizer cuts text before merging."""
    cut = table.get("pre_tokenizer") or {}
    steps = cut.get("pretokenizers", [cut])
    kinds = [step.get("type") for step in steps]
    if table.get("normalizer") is None and kinds and kinds[-1] == "ByteLevel":
        regex = steps[-1].get("use_regex", True)
        if kinds == ["ByteLevel"] and regex:
            return "gpt-2"
        if kinds == ["Digits", "ByteLevel"] and steps[0].get("individual_digits") and regex:
            return "smollm"
        pattern = steps[0].get("pattern", {}).get("Regex", "")
        if kinds == ["Split", "ByteLevel"] and not regex and pattern in _CUTS:
            return _CUTS[pattern]
    raise TokenizerError(
        "llama.cpp has no name for how this tokenizer cuts text into words, so its tokens would differ "
        f"there. Known are those of {', '.join(sorted({*_CUTS.values(), 'gpt-2', 'smollm'}))}."
    )


def rebuild(keys: Mapping[str, Any], where: str) -> Tokenizer:
    """Return the tokenizer that a GGUF file holds, its chat template included.

    keys: all of the file's, by their whole names. where: the file, for messages.

    Raises CheckpointError when the file holds none, or one that is not known.
    """
    own = {key.removeprefix("tokenizer.ggml."): value for key, value in keys.items()}
    tokens = own.get("tokens")
    if not tokens:
        raise CheckpointError(f"{where} holds no tokenizer; a GGUF file that llama.cpp can load has one.")
    build = {"gpt2": _rebuild_bytes, "llama": _rebuild_pieces}.get(own.get("model", ""))
    if build is None:
        raise CheckpointError(
            f"{where} holds a tokenizer of the kind {own.get('model')!r}; camelid reads gpt2 (byte-level "
            "BPE) and llama (SentencePiece). Use the model's Hugging Face folder."
        )
    try:
        kinds = _read_kinds(tokens, own)
        tokens = tokens[: len(kinds)]
        core = build(tokens, kinds, own, where)
        return Tokenizer(core, _config(tokens, own, keys), stop_ids=_ends(own))
    except CamelidError:
        raise
    except Exception as error:  # tokenizers raises bare Exception
        raise CheckpointError(
            f"{where} holds a tokenizer that contradicts itself ({error}). Copy the file anew."
        ) from error


def _read_kinds(tokens: list[str], own: Mapping[str, Any]) -> list[Kind]:
    """Return the kinds of all tokens but those at the end that only fill up the embedding."""
    kinds = [Kind(kind) for kind in own.get("token_type") or [Kind.normal] * len(tokens)]
    while kinds and kinds[-1] == Kind.unused and tokens[len(kinds) - 1] == _PAD.format(len(kinds) - 1):
        kinds.pop()
    return kinds


def _config(tokens: list[str], own: Mapping[str, Any], keys: Mapping[str, Any]) -> dict[str, Any]:
    """Return what tokenizer_config.json is to say."""
    named = {"bos_token": "bos_token_id", "eos_token": "eos_token_id", "pad_token": "padding_token_id",
             "unk_token": "unknown_token_id"}  # fmt: skip
    found = {name: tokens[own[key]] for name, key in named.items() if own.get(key, len(tokens)) < len(tokens)}
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False, **found}
    template = keys.get("tokenizer.chat_template")
    return {**config, "chat_template": template} if template else config


def _ends(own: Mapping[str, Any]) -> list[int]:
    names = ("eos_token_id", "eot_token_id", "eom_token_id")
    return [own[name] for name in names if own.get(name) is not None]


def _rebuild_bytes(
    tokens: list[str], kinds: list[Kind], own: Mapping[str, Any], where: str
) -> tokenizers.Tokenizer:
    merges = [tuple(pair.split(" ", 1)) for pair in own.get("merges") or []]
    core = tokenizers.Tokenizer(
        models.BPE(
            {name: index for index, name in enumerate(tokens)},
            merges,
            ignore_merges=own.get("pre") == "llama-bpe",
        )
    )
    core.pre_tokenizer = _find_cut(str(own.get("pre", "default")), where)
    core.decoder = decoders.ByteLevel()
    core.add_tokens(
        [
            AddedToken(name, special=kind == Kind.control, normalized=False)
            for name, kind in zip(tokens, kinds, strict=True)
            if kind in (Kind.control, Kind.user)
        ]
    )
    if own.get("add_bos_token", own.get("pre") == "llama-bpe") and "bos_token_id" in own:
        bos = tokens[own["bos_token_id"]]
        core.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A {bos}:1 $B:1", special_tokens=[(bos, own["bos_token_id"])]
        )
    return core


def _find_cut(name: str, where: str) -> pre_tokenizers.PreTokenizer:
    bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    whole = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    if name == "qwen2":
        return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(SPLIT), "isolated"), bytes_only])
    if name in ("llama-bpe", "llama3", "llama-v3"):
        return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(_LLAMA3), "isolated"), bytes_only])
    if name == "smollm":
        return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), whole])
    if name == "gpt-2":
        return whole
    raise CheckpointError(
        f"{where} cuts text as {name!r}; camelid knows gpt-2, llama-bpe, qwen2 and smollm. Use the model's "
        "Hugging Face folder."
    )


def _rebuild_pieces(
    tokens: list[str], kinds: list[Kind], own: Mapping[str, Any], where: str
) -> tokenizers.Tokenizer:
    scores = own.get("scores") or [0.0] * len(tokens)
    pieces = tuple(map(Piece, tokens, scores[: len(tokens)], kinds))
    found = Pieces(
        pieces,
        bos_id=own.get("bos_token_id", 1),
        unk_id=own.get("unknown_token_id", 0),
        prefix=bool(own.get("add_space_prefix", True)),
    )
    return build_core(found, add_bos=bool(own.get("add_bos_token", True)))
