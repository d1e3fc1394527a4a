"""Names of a trial's devices as the telemetry knows them: what the runtime reports is joined with what the driver lists.

CUDA names a whole GPU by its UUID and an instance of MIG, by version, by its own UUID, by its parent's, or as it was made visible,
which may be abbreviated (CUDA C++ Programming Guide, "CUDA environment variables").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aigc_bench.core.run_records import AcceleratorInfo


def named_as_listed(devices: Sequence[str], accelerators: Sequence[AcceleratorInfo]) -> tuple[str, ...]:
    """Each device under the name of the fingerprint's accelerators; one that is not among them keeps its own."""
    return tuple(_listed(device, accelerators) or device for device in devices)


def parents(accelerators: Sequence[AcceleratorInfo]) -> Mapping[str, str]:
    """The GPU of each instance of MIG, by UUIDs."""
    return {one.uuid: str(parent) for one in accelerators if (parent := one.details.get("mig_parent")) is not None}


def with_parents(devices: Sequence[str], accelerators: Sequence[AcceleratorInfo]) -> tuple[str, ...]:
    """The devices and the GPUs that they are instances of."""
    of = parents(accelerators)
    return tuple(dict.fromkeys([*devices, *(of[device] for device in devices if device in of)]))


def _listed(device: str, accelerators: Sequence[AcceleratorInfo]) -> str | None:
    uuids = [one.uuid for one in accelerators]
    if device in uuids:
        return device
    digits = device.removeprefix("GPU-").removeprefix("MIG-")
    # The runtime may call an instance GPU- and its own digits.
    same = [uuid for uuid in uuids if uuid.removeprefix("GPU-").removeprefix("MIG-") == digits]
    # An abbreviation must be of one kind and name one device.
    same = same or [uuid for uuid in uuids if uuid.startswith(device)]
    if len(same) == 1:
        return same[0]
    # The runtime shows one instance of a divided GPU unless others are named, its first.
    return next((one.uuid for one in accelerators if one.details.get("mig_parent") == device), None)
