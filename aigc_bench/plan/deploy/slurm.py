"""Slurm scripts: a service as an array of replicas, a training job as one allocation."""

from __future__ import annotations

import shlex

from aigc_bench.core.messages import message
from aigc_bench.plan.deploy.commands import MODEL, Start
from aigc_bench.plan.deploy.replica import Replica

_SHELL = "#!/bin/bash"
_STRICT = "set -euo pipefail"
_TRAINING = (
    'head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)',
    "# shellcheck disable=SC2086",
    'srun torchrun --nnodes={nodes} --nproc-per-node={devices} --rdzv-backend=c10d --rdzv-id="$SLURM_JOB_ID" \\',
    '    --rdzv-endpoint="$head:29500" $TRAIN',
)


def start_script(start: Start) -> str:
    """Return the script that becomes one replica."""
    return "\n".join([_SHELL, _STRICT, _model(), f"exec {command(start)}", ""])


def service_script(replica: Replica, start: Start) -> str:
    """Return the script of a service: one array task is one replica."""
    per_node = -(-replica.devices // replica.nodes)
    lines = [
        _SHELL,
        f"#SBATCH --job-name={replica.name}",
        f"#SBATCH --array=0-{replica.at_most - 1}",
        f"#SBATCH --nodes={replica.nodes}",
        "#SBATCH --ntasks-per-node=1",
        f"#SBATCH --gpus-per-node={per_node}",
    ]
    lines += [f"#SBATCH --cpus-per-task={max(1, replica.cores // replica.nodes)}"] if replica.cores is not None else []
    lines += [f"#SBATCH --mem={max(1, int(replica.memory_gib * 0.9) // replica.nodes)}G"] if replica.memory_gib is not None else []
    return "\n".join([*lines, "", _STRICT, _model(), f"srun {command(start)}", ""])


def training_script(name: str, *, nodes: int, devices: int, hours: float) -> str:
    """Return the script of a training job on whole nodes, for a program of the user's own."""
    limit = max(1, round(hours * 60))
    lines = [
        _SHELL,
        f"#SBATCH --job-name={name}",
        f"#SBATCH --nodes={nodes}",
        "#SBATCH --ntasks-per-node=1",
        f"#SBATCH --gpus-per-node={devices}",
        f"#SBATCH --time={limit}",
        "#SBATCH --requeue",
        "",
        _STRICT,
        f': "${{TRAIN:?{message("your training script and its arguments")}}}"',
        *(line.format(nodes=nodes, devices=devices) for line in _TRAINING),
        "",
    ]
    return "\n".join(lines)


def _model() -> str:
    """Return the line that ends a script without weights."""
    return f': "${{MODEL:?{message("path or hub id of the weights")}}}"'


def command(start: Start) -> str:
    """Return the command of a replica for a shell; the model is a variable of it."""
    return " ".join(f'"{word}"' if word == MODEL else shlex.quote(word) for word in start.words)
