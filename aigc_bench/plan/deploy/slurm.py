"""Slurm scripts: a service as an array of replicas, a training job as one allocation."""

from __future__ import annotations

import shlex

from aigc_bench.core.messages import message
from aigc_bench.plan.deploy.commands import MODEL, Start
from aigc_bench.plan.deploy.replica import Replica


def service_script(replica: Replica, start: Start) -> str:
    """Return the script of a service: one array task is one replica."""
    per_node = -(-replica.devices // replica.nodes)
    lines = [
        "#!/bin/bash",
        f"#SBATCH --job-name={replica.name}",
        f"#SBATCH --array=0-{replica.at_most - 1}",
        f"#SBATCH --nodes={replica.nodes}",
        "#SBATCH --ntasks-per-node=1",
        f"#SBATCH --gpus-per-node={per_node}",
    ]
    lines += [f"#SBATCH --cpus-per-task={max(1, replica.cores // replica.nodes)}"] if replica.cores is not None else []
    lines += [f"#SBATCH --mem={max(1, int(replica.memory_gib * 0.9) // replica.nodes)}G"] if replica.memory_gib is not None else []
    ready = message("path or hub id of the weights")
    return "\n".join([*lines, "", "set -euo pipefail", f': "${{MODEL:?{ready}}}"', f"srun {command(start)}", ""])


def training_script(name: str, *, nodes: int, devices: int, hours: float) -> str:
    """Return the script of a training job on whole nodes, for a program of the user's own."""
    limit = max(1, round(hours * 60))
    lines = [
        "#!/bin/bash",
        f"#SBATCH --job-name={name}",
        f"#SBATCH --nodes={nodes}",
        "#SBATCH --ntasks-per-node=1",
        f"#SBATCH --gpus-per-node={devices}",
        f"#SBATCH --time={limit}",
        "#SBATCH --requeue",
        "",
        "set -euo pipefail",
        f': "${{TRAIN:?{message("your training script and its arguments")}}}"',
        'head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)',
        f"# shellcheck disable=SC2086  # {message('TRAIN is several words')}",
        f'srun torchrun --nnodes={nodes} --nproc-per-node={devices} --rdzv-backend=c10d --rdzv-id="$SLURM_JOB_ID" \\',
        '    --rdzv-endpoint="$head:29500" $TRAIN',
        "",
    ]
    return "\n".join(lines)


def command(start: Start) -> str:
    """Return the command of a replica for a shell; the model is a variable of it."""
    return " ".join(f'"{word}"' if word == MODEL else shlex.quote(word) for word in start.words)
