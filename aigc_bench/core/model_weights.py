"""Weights next to a configuration: what each safetensors file holds, read from its header; pickles are refused, none is opened."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aigc_bench.core.document import MAX_JSON_CHARACTERS, MAX_MACHINE_KEYS, parse_json, read_json, shown
from aigc_bench.core.errors import UsageError
from aigc_bench.core.failed_download import refuse_failed_download
from aigc_bench.core.messages import message

# Formats of torch.save and pickle: loading one can run any code.
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_COMPLETE = message("Is the download complete?")
_ADAPTER = "adapter_config.json"
PICKLE_REASON = message("a pickle, and opening one runs the code that it contains.")


def refuse_pickles(folder: Path) -> None:
    """Raise ``UsageError`` where the folder holds a pickle."""
    if not folder.is_dir():
        return
    found = sorted(file.name for file in folder.iterdir() if file.suffix.lower() in PICKLES)
    if found:
        raise UsageError(
            message("{folder}: {pickle_reason}", folder=folder / found[0], pickle_reason=PICKLE_REASON),
            message("Convert the weights to safetensors, or move them away to measure with random ones (speed is the same)."),
        )


def weights_of(folder: Path) -> list[Mapping[str, Any]]:
    """What each safetensors file of the folder holds, without its values; pickles without any safetensors are refused."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        refuse_pickles(folder)
    refuse_adapter(folder)
    _check_indexes(folder, files)
    return [{"file": file.name, "bytes": file.stat().st_size, "header": _header(file)} for file in files]


def refuse_adapter(folder: Path) -> None:
    """Raise ``UsageError`` where the folder holds an adapter (PEFT's LoRA), naming the model that it was trained on."""
    file = folder / _ADAPTER
    if not file.is_file():
        return
    refuse_failed_download(file)
    config = read_json(file)
    written = config if isinstance(config, dict) else {}
    base, rank, kind = (written.get(key) for key in ("base_model_name_or_path", "r", "peft_type"))
    base_words = shown(base) if isinstance(base, str) and base else message("another model, which it does not name")
    # PEFT names its kinds in capitals: LORA, LOHA, PREFIX_TUNING.
    kind_words = kind if isinstance(kind, str) and kind.isidentifier() and len(kind) <= 20 else "LORA"
    is_rank = isinstance(rank, int) and not isinstance(rank, bool) and 0 < rank <= 1024
    raise UsageError(
        message("{file}: an adapter ({kind}) of {base}, not a model.", file=file, kind=kind_words, base=base_words),
        message("Give the folder of that model: merged into it, an adapter costs nothing.")
        + (message(" To train one, add --mode train --set lora_rank={rank}.", rank=rank) if is_rank else ""),
    )


def _check_indexes(folder: Path, files: Sequence[Path]) -> None:
    """Raise where an index spreads the weights over anything but these files: it may name a pickle, or a file elsewhere."""
    known = {file.name for file in files}
    for index in sorted(folder.glob("*.safetensors.index*.json")) if files else ():
        found = read_json(index, max_keys=MAX_MACHINE_KEYS)
        spread = found.get("weight_map") if isinstance(found, dict) else None
        names = spread.values() if isinstance(spread, dict) else [spread]
        strange = [name for name in names if not isinstance(name, str) or name not in known]
        if strange:
            raise UsageError(
                message(
                    "{index}: weight_map names {strange}, which is not a safetensors file in its folder.",
                    index=index,
                    strange=shown(strange[0]),
                ),
                _COMPLETE,
            )


def _header(file: Path) -> Mapping[str, Any]:
    """The JSON header of a safetensors file: eight bytes of length (little-endian), then names, dtypes, shapes and offsets."""
    refuse_failed_download(file)
    try:
        with file.open("rb") as handle:
            (length,) = struct.unpack("<Q", handle.read(8))
            # Checked before the read: a damaged length can be exabytes, which read() would try to allocate.
            if not 2 <= length <= min(file.stat().st_size, MAX_JSON_CHARACTERS):
                raise UsageError(message("{file}: not safetensors: the length of its header is impossible.", file=file), _COMPLETE)
            text = handle.read(length).decode("utf-8")
    except OSError as problem:
        raise UsageError(
            message("{file}: {strerror}.", file=file, strerror=(problem.strerror or message("cannot be read")).lower())
        ) from None
    except (UnicodeDecodeError, struct.error):
        raise UsageError(message("{file}: not safetensors: it has no header.", file=file), _COMPLETE) from None
    header = parse_json(text, where=message("{file}: header", file=file), max_keys=MAX_MACHINE_KEYS)
    if not isinstance(header, dict):
        raise UsageError(message("{file}: not safetensors: its header is {header}.", file=file, header=shown(header)), _COMPLETE)
    _check_length(file, header, begin=8 + length)
    return header


def _check_length(file: Path, header: Mapping[str, Any], *, begin: int) -> None:
    """Raise where the tensors would end behind the end of the file; ``begin`` is the offset of the first."""
    offsets = [tensor.get("data_offsets") for name, tensor in header.items() if isinstance(tensor, dict) and name != "__metadata__"]
    ends = [pair[-1] for pair in offsets if isinstance(pair, list) and pair and isinstance(pair[-1], int)]
    described, found = begin + max(ends, default=0), file.stat().st_size
    if described > found:
        raise UsageError(
            message("{file}: cut short: {found:,} bytes of {described:,}.", file=file, found=found, described=described),
            _COMPLETE,
        )
