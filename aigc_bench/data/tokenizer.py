"""Tokenizers trained on the data at hand: byte-level BPE by the ``tokenizers`` library, or letters where a model speaks symbols.

A published tokenizer would have to be fetched. One trained here costs the same to run: its time a byte hardly depends on the
vocabulary, which is ``MAX_VOCABULARY`` at most. It is kept in the cache under the data's hash.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aigc_bench.core.messages import message
from aigc_bench.data.file_cache import cache_folder, read_cached, write_cached
from aigc_bench.data.files import Unit
from aigc_bench.data.reading import NothingReadableError, attempted
from aigc_bench.data.text import Tokenizer, documents

MAX_VOCABULARY = 8192
_BYTES = 256
_TRAINED_ON_CHARS = 2_000_000
_WORD_CHARS = 4096
"""Texts are cut to this length for training, whose time grows with the longest word: minutes where 2^16 letters have no gap."""


@dataclass(frozen=True, kw_only=True)
class BytePairs:
    """A ``tokenizers.Tokenizer``."""

    fast: Any

    def encode(self, text: str) -> list[int]:
        """Ids below the vocabulary's size."""
        ids: list[int] = self.fast.encode(text).ids
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Ids beyond the vocabulary wrap around, as a model's vocabulary may be larger."""
        size = self.fast.get_vocab_size()
        text: str = self.fast.decode([int(one) % size for one in ids], skip_special_tokens=False)
        return text


@dataclass(frozen=True, kw_only=True)
class Letters:
    """One id a character, the frequent ones first; what is rare shares the last."""

    ids: Mapping[str, int]

    def encode(self, text: str) -> list[int]:
        """Ids of the characters in lower case."""
        last, get = len(self.ids) - 1, self.ids.get
        return [get(letter, last) for letter in text.lower()]

    def decode(self, ids: Sequence[int]) -> str:
        """The characters again."""
        letters = list(self.ids)
        return "".join(letters[int(one) % len(letters)] for one in ids)


def trained(units: Sequence[Unit], *, vocab_size: int, sha256: str) -> Tokenizer:
    """The tokenizer of this data with at most ``vocab_size`` ids; trained now if it is not in the cache."""
    # Byte-level BPE spends 256 ids on the bytes: with so few left it could join hardly anything.
    if vocab_size <= _BYTES + 64:
        counts = Counter("".join(_sample(units, 100_000)).lower())
        return Letters(ids={letter: index for index, (letter, _) in enumerate(counts.most_common(vocab_size))})
    from tokenizers import Tokenizer as Fast

    size = min(vocab_size, MAX_VOCABULARY)
    key = hashlib.sha256(f"{sha256}/{size}/{_TRAINED_ON_CHARS}".encode()).hexdigest()[:16]
    file = cache_folder() / "tokenizers" / f"{key}.json"
    fast = read_cached(file, lambda data: Fast.from_str(data.decode()))
    if fast is None:
        fast = _train(units, size=size)
        write_cached(file, fast.to_str().encode())
    return BytePairs(fast=fast)


def _train(units: Sequence[Unit], *, size: int) -> Any:
    from tokenizers import Tokenizer as Fast
    from tokenizers import decoders, models, pre_tokenizers, trainers

    fast = Fast(models.BPE())
    fast.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    fast.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, show_progress=False, initial_alphabet=alphabet)
    fast.train_from_iterator(_sample(units, _TRAINED_ON_CHARS), trainer=trainer)
    return fast


def _sample(units: Sequence[Unit], num_chars: int) -> Iterator[str]:
    """Texts from units spread over the data, about ``num_chars`` in all; what cannot be read is left out: the screening names it.

    Where the sixteen that are looked at first give too little, the others follow. Raises where none gives anything.
    """
    # First every step-th unit, then those behind each of them: a sorted data set is not judged by its beginning.
    step = max(1, len(units) // 16)
    order = (index for first in range(step) for index in range(first, len(units), step))
    left = num_chars
    for index in order:
        for text in attempted(units[index], lambda unit: documents(unit, is_cold=False, skips=[]), skips=[]):
            yield from (text[at : at + _WORD_CHARS] for at in range(0, len(text), _WORD_CHARS))
            left -= len(text)
            if left <= 0:
                return
    if left == num_chars:
        raise NothingReadableError(message("there is no text in the data to train a tokenizer on."))
