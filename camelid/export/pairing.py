"""Any two Llamas made a pair: their weights linked or copied, one pair.json beside them.

Used is what lies in the folders: config.json, generation_config.json, weights in safetensors, whole or in
shards; the tokenizer, from whatever form it has, becomes tokenizer.json. Two that share tokenizer and chat
template can guess for each other; two that don't are a pair all the same, and pair.json names no tokenizer.
Of data that is given, records are kept beside them, by which the two are compared and a router is made.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import camelid
from camelid.errors import CheckpointError, DataError, TokenizerError
from camelid.export.saving import refuse_replacing
from camelid.export.templates import read_template
from camelid.files import write_folder
from camelid.model.config import DecoderConfig
from camelid.model.folder import CONFIG, PAIR, WEIGHTS, WEIGHTS_INDEX, read_config, read_json_object
from camelid.model.pairfile import PairFile, RoleFile, write_pair_file
from camelid.model.tensors import open_tensors, weight_files
from camelid.text.corpus import read_records
from camelid.text.heldout import HELD_OUT, read_held_out, write_held_out
from camelid.text.records import Record
from camelid.text.sources import Source
from camelid.text.tokenizer import Tokenizer, check_tokenizer_fits
from camelid.train.material import HELD_OUT_KEPT, choose_held_out

_FOCUS = {"llama": "accuracy: a model brought along", "alpaca": "speed: a model brought along"}
_COPIED = (CONFIG, "generation_config.json")
_MADE_OF = "made_of"  # in pair.json's provenance; by it a pair that was made here is known


@dataclass(frozen=True)
class Brought:
    """One of two models that are brought along.

    borrowed: whether its chat template is the other's, as it had none.
    """

    folder: Path
    config: DecoderConfig
    tokenizer: Tokenizer
    borrowed: bool = False


@dataclass(frozen=True)
class Paired:
    """What came of it.

    same_vocabulary: whether text becomes the same tokens for both. guesses: whether the Alpaca can guess for
    the Llama, for which the chat template must be the same as well. copied_bytes: of weights that could not
    be linked. records: how many the pair keeps to be compared and calibrated by.
    """

    folder: Path
    llama: Brought
    alpaca: Brought
    same_vocabulary: bool
    guesses: bool
    linked_bytes: int
    copied_bytes: int
    records: int

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        roles = {
            role: {
                "folder": str(each.folder),
                "parameters": each.config.num_parameters,
                "tokens": each.tokenizer.vocab_size,
                "chat_template": each.tokenizer.template is not None,
                "borrowed_chat_template": each.borrowed,
            }
            for role, each in (("llama", self.llama), ("alpaca", self.alpaca))
        }
        return {
            "folder": str(self.folder), "roles": roles, "same_vocabulary": self.same_vocabulary,
            "speculation": self.guesses, "linked_bytes": self.linked_bytes,
            "copied_bytes": self.copied_bytes, "records": self.records,
        }  # fmt: skip


def make_pair(
    llama: Path | str,
    alpaca: Path | str,
    out: Path | str,
    *,
    chat_template: str = "",
    name: str = "",
    data: Sequence[Path] = (),
    skip_bad: bool = False,
) -> Paired:
    """Write a pair folder of two model folders, whole or not at all; an older one made so gives way.

    chat_template: for both, by name or as a file; by default each has its own, and one that has none takes
        the other's if their tokens are the same. name: what the pair is called, by default its folder's name.
    data: files of what the pair will be asked, to compare the two and make a router by; neither model should
        have learnt from them. skip_bad: whether rows that cannot be read are left out.

    Raises CheckpointError or TokenizerError when one of the two cannot be used, or something else is in that
    place; DataError for data that cannot be used, RunError when it cannot be written.
    """
    out = Path(out)
    _refuse_replacing(out)
    records = _read_data(data, skip_bad)
    brought = {
        role: _bring(Path(each), chat_template) for role, each in (("llama", llama), ("alpaca", alpaca))
    }
    one, two = brought.values()
    same = one.tokenizer.has_same_tokens(two.tokenizer)
    if same:  # one tokenizer may be written down in two ways, as tokenizer.model and tokenizer.json
        two = replace(two, tokenizer=two.tokenizer.adopt(one.tokenizer))
        one, two = _lend(one, two), _lend(two, one)
    guesses = (
        same
        and one.tokenizer.fingerprint == two.tokenizer.fingerprint
        and one.config.vocab_size == two.config.vocab_size
    )
    sizes = {"linked": 0, "copied": 0}

    def fill(fresh: Path) -> None:
        for role, each in (("llama", one), ("alpaca", two)):
            _write_model(each, fresh / role, sizes)
        roles = {role: _describe(role, each) for role, each in (("llama", one), ("alpaca", two))}
        made_of = {role: str(each.folder.resolve()) for role, each in (("llama", one), ("alpaca", two))}
        shared = one.tokenizer.fingerprint if guesses else ""
        told = {_MADE_OF: made_of, "same_vocabulary": same}
        made_by = f"camelid {camelid.__version__}"
        write_pair_file(fresh, PairFile(name or out.resolve().name, roles, shared, made_by, told))
        if records:
            write_held_out(fresh, records)

    write_folder(out, fill)
    return Paired(out, one, two, same, guesses, sizes["linked"], sizes["copied"], len(records))


def _refuse_replacing(out: Path) -> None:
    """Raise CheckpointError where anything is but a pair that can be made again as quickly."""
    refuse_replacing(out, PAIR, "a pair")
    if (out / PAIR).is_file() and _MADE_OF not in read_json_object(out / PAIR).get("provenance", {}):
        raise CheckpointError(
            f"{out} holds a pair that was trained, which would be deleted. Choose another folder."
        )


def _read_data(files: Sequence[Path], skip_bad: bool) -> list[tuple[str, Record]]:
    """Return the records that a pair is to keep, each with its source's name."""
    found: dict[str, list[Record]] = {}
    for path in files:
        source = Source(path.stem, path=str(path), skip_bad=skip_bad)
        records = read_held_out(path) if path.name == HELD_OUT else list(read_records(source))
        if not records:
            raise DataError(f"{path} holds no record. Name a file that camelid show can show.")
        found.setdefault(path.stem, []).extend(records)
    return choose_held_out(found, HELD_OUT_KEPT)


def _bring(folder: Path, chat_template: str) -> Brought:
    """Check a model folder, and read all but its weights."""
    config = read_config(folder)
    open_tensors(folder, config)
    tokenizer = Tokenizer.load(folder)
    try:
        check_tokenizer_fits(tokenizer, config.vocab_size)
        if chat_template:
            tokenizer = tokenizer.with_template(read_template(chat_template, tokenizer))
    except TokenizerError as error:
        raise TokenizerError(f"{folder}: {error}") from None
    return Brought(folder, config, tokenizer)


def _lend(one: Brought, other: Brought) -> Brought:
    """Return a model with the other's chat template, if it has none of its own."""
    if one.tokenizer.template is not None or other.tokenizer.template is None:
        return one
    lent = one.tokenizer.with_template(other.tokenizer.template.source)
    return replace(one, tokenizer=lent, borrowed=True)


def _describe(role: str, brought: Brought) -> RoleFile:
    """Return what pair.json says of a model; of how it was raised nothing is known."""
    config = brought.config
    return RoleFile(role, config.num_parameters, config.num_hidden_layers, _FOCUS[role], 0, 0, {}, 0.0)


def _write_model(brought: Brought, target: Path, sizes: dict[str, int]) -> None:
    target.mkdir()
    for name in _COPIED:
        if (brought.folder / name).is_file():
            shutil.copyfile(brought.folder / name, target / name)
    brought.tokenizer.save(target, model_max_length=brought.config.max_position_embeddings)
    files = weight_files(brought.folder)
    for file in files:
        sizes[_link(file.resolve(), target / file.name)] += file.stat().st_size
    if not (brought.folder / WEIGHTS).is_file():
        shutil.copyfile(brought.folder / WEIGHTS_INDEX, target / WEIGHTS_INDEX)


def _link(source: Path, target: Path) -> str:
    """Give a file a second name, or copy it where the file system cannot; return what was done."""
    try:
        os.link(source, target)
    except OSError:  # another disk, or one that has no links
        try:
            shutil.copyfile(source, target)
        except FileNotFoundError:
            raise CheckpointError(f"{source} is gone. Copy the model anew.") from None
        return "copied"
    return "linked"
