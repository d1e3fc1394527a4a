"""Headers of GGUF files (llama.cpp): a model's sizes and the format of each tensor; no weight is read.

Metadata are keys with typed values, then each tensor's name, shape and type (github.com/ggml-org/ggml, docs/gguf.md). Lists of a
vocabulary are counted and passed over. Everything read is bounded: bytes of the header, lengths of texts, numbers of entries.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, NamedTuple

from aigc_bench.core.errors import UsageError
from aigc_bench.core.failed_download import refuse_failed_download
from aigc_bench.core.messages import message

MAX_HEADER_BYTES = 128 * 2**20
"""Vocabularies of 262,144 words and their merges take 12 MiB."""
_MAX_TEXT, _MAX_KEY, _MAX_KEYS, _MAX_TENSORS, _MAX_LIST = 2**24, 2**12, 10_000, 100_000, 2**22
_KEPT_LIST = 1024
"""Longer lists are a vocabulary's; one entry a layer is kept."""
_NUMBERS: Mapping[int, str] = MappingProxyType(
    {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
)
_TEXT, _LIST = 8, 9
_COMPLETE = message("Is the download complete?")


class _Type(NamedTuple):
    name: str
    num_bytes: int
    num_elements: int


# Bytes of a block and the elements in it (ggml.c, type_traits).
_TYPES: Mapping[int, _Type] = MappingProxyType(
    {
        0: _Type("F32", 4, 1), 1: _Type("F16", 2, 1), 2: _Type("Q4_0", 18, 32), 3: _Type("Q4_1", 20, 32), 6: _Type("Q5_0", 22, 32),
        7: _Type("Q5_1", 24, 32), 8: _Type("Q8_0", 34, 32), 10: _Type("Q2_K", 84, 256), 11: _Type("Q3_K", 110, 256),
        12: _Type("Q4_K", 144, 256), 13: _Type("Q5_K", 176, 256), 14: _Type("Q6_K", 210, 256), 15: _Type("Q8_K", 292, 256),
        16: _Type("IQ2_XXS", 66, 256), 17: _Type("IQ2_XS", 74, 256), 18: _Type("IQ3_XXS", 98, 256), 19: _Type("IQ1_S", 50, 256),
        20: _Type("IQ4_NL", 18, 32), 21: _Type("IQ3_S", 110, 256), 22: _Type("IQ2_S", 82, 256), 23: _Type("IQ4_XS", 136, 256),
        24: _Type("I8", 1, 1), 25: _Type("I16", 2, 1), 26: _Type("I32", 4, 1), 27: _Type("I64", 8, 1), 28: _Type("F64", 8, 1),
        29: _Type("IQ1_M", 56, 256), 30: _Type("BF16", 2, 1), 34: _Type("TQ1_0", 54, 256), 35: _Type("TQ2_0", 66, 256),
        39: _Type("MXFP4", 17, 32),
    }
)  # fmt: skip


class GgufHeader(NamedTuple):
    """``metadata`` by key, lists of a vocabulary as their length; of the tensors their number, elements, bytes and main type."""

    metadata: Mapping[str, Any]
    names: frozenset[str]
    num_elements: int
    num_bytes: float
    main_type: str

    @property
    def bits_per_weight(self) -> float:
        """Mean bits of an element, scales included."""
        return 8 * self.num_bytes / self.num_elements if self.num_elements else 0.0


def read_gguf(file: Path) -> GgufHeader:
    """Return the header of a GGUF file; raises ``UsageError`` in one line where it is none, or cut short in its header."""
    refuse_failed_download(file)
    try:
        with file.open("rb") as handle:
            return _Reader(handle, file=file, size=file.stat().st_size).header()
    except OSError as problem:
        raise UsageError(
            message("{file}: {strerror}.", file=file, strerror=(problem.strerror or message("cannot be read")).lower())
        ) from None


class _Reader:
    """Reads little-endian values from the start of a file, within a budget of bytes."""

    def __init__(self, handle: BinaryIO, *, file: Path, size: int) -> None:
        self._handle, self._file = handle, file
        self._left = min(size, MAX_HEADER_BYTES)

    def header(self) -> GgufHeader:
        if self._bytes(4) != b"GGUF":
            raise self._refusal(message("not a GGUF file"))
        version = self._number("<I")
        # Version 1 had 32-bit lengths, and was in use for two weeks of 2023; big-endian files have the number turned round.
        if version not in (2, 3):
            raise self._refusal(message("GGUF of version {version}; versions 2 and 3 are read", version=version))
        num_tensors, num_keys = self._count(_MAX_TENSORS, "tensors"), self._count(_MAX_KEYS, "keys")
        metadata = {}
        for _ in range(num_keys):
            key = self._text(_MAX_KEY)
            metadata[key] = self._value(int(self._number("<I")))
        return self._with_tensors(metadata, num_tensors)

    def _with_tensors(self, metadata: Mapping[str, Any], num_tensors: int) -> GgufHeader:
        names, elements, num_bytes = set(), 0, 0.0
        by_type: Counter[str] = Counter()
        for _ in range(num_tensors):
            names.add(self._text(_MAX_KEY))
            count = 1
            for _ in range(self._count(4, "dimensions", form="<I")):
                count *= self._count(2**40, "elements")
            kind = _TYPES.get(int(self._number("<I")))
            self._number("<Q")  # where its values begin
            if kind is None or count > 2**45:
                raise self._refusal(message("a tensor of a type or size that is not known"))
            elements, num_bytes = elements + count, num_bytes + count * kind.num_bytes / kind.num_elements
            by_type[kind.name] += count
        main = max(by_type, key=lambda name: by_type[name], default="")
        return GgufHeader(metadata=metadata, names=frozenset(names), num_elements=elements, num_bytes=num_bytes, main_type=main)

    def _value(self, kind: int) -> Any:
        if kind in _NUMBERS:
            return self._number(_NUMBERS[kind])
        if kind == _TEXT:
            return self._text(_MAX_TEXT)
        if kind != _LIST:
            raise self._refusal(message("metadata of a type that is not known"))
        inner, count = int(self._number("<I")), self._count(_MAX_LIST, "entries")
        if inner == _LIST:
            raise self._refusal(message("lists inside of lists, which are not read"))
        if inner in _NUMBERS and count > _KEPT_LIST:
            self._bytes(count * struct.calcsize(_NUMBERS[inner]))
            return count
        values = [self._value(inner) if inner != _TEXT else self._text(_MAX_TEXT) for _ in range(count)]
        return values if inner in _NUMBERS else count

    def _number(self, form: str) -> float:
        (value,) = struct.unpack(form, self._bytes(struct.calcsize(form)))
        return value  # type: ignore[no-any-return]

    def _count(self, most: int, what: str, *, form: str = "<Q") -> int:
        found = int(self._number(form))
        if found > most:
            raise self._refusal(message("{found:,} {what}; at most {most:,} are read", found=found, what=what, most=most))
        return found

    def _text(self, most: int) -> str:
        return self._bytes(self._count(most, "characters")).decode("utf-8", errors="replace")

    def _bytes(self, count: int) -> bytes:
        if count > self._left:
            raise self._refusal(message("cut short, or its header is longer than {most} MiB", most=MAX_HEADER_BYTES // 2**20))
        self._left -= count
        found = self._handle.read(count)
        if len(found) < count:
            raise self._refusal(message("cut short"))
        return found

    def _refusal(self, why: str) -> UsageError:
        return UsageError(message("{file}: {why}.", file=self._file, why=why), _COMPLETE)
