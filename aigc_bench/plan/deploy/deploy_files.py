"""Write what starts the recommended option into a folder: a command, a manifest and a script for every service, and a README."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

from aigc_bench.core.errors import AigcBenchError
from aigc_bench.core.messages import message
from aigc_bench.plan.deploy.commands import Start, start_of
from aigc_bench.plan.deploy.kubernetes import FILL, manifest_text, manifests
from aigc_bench.plan.deploy.option_flags import notes_of
from aigc_bench.plan.deploy.replica import Replica, replicas
from aigc_bench.plan.deploy.slurm import service_script, start_script, training_script
from aigc_bench.plan.options.wording import describe
from aigc_bench.plan.records.plan import Option, Plan

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue


def deploy(plan: Plan, folder: Path, *, catalogue: Catalogue) -> tuple[Path, ...]:
    """Write the files of the recommended option and return them; raise ``AigcBenchError`` where there is nothing to start."""
    option = plan.recommended
    if option is None:
        raise AigcBenchError(message("No option is recommended, so there is nothing to deploy."))
    if option.kind == "api":
        raise AigcBenchError(message("The recommendation is an API: there is nothing to start."))
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    notes: list[str] = []
    for replica in replicas(plan, option):
        start = start_of(replica)
        if start is None:
            notes.append(
                message("{load}: runs in {engine}, which has no server of its own.", load=replica.load, engine=replica.engine)
            )
            continue
        written += _service(replica, start, folder, vendor=_vendor(option, catalogue))
        notes += _notes(replica, start)
    written += _jobs(plan, option, folder)
    readme = folder / "README.md"
    readme.write_text(_readme(plan, option, written, notes), encoding="utf-8")
    return (readme, *written)


def _service(replica: Replica, start: Start, folder: Path, *, vendor: str) -> list[Path]:
    files = [
        _script(folder / f"{replica.name}.sh", start_script(start)),
        _script(folder / f"{replica.name}.sbatch", service_script(replica, start)),
    ]
    if replica.nodes == 1:
        file = folder / f"{replica.name}.yaml"
        file.write_text(manifest_text(manifests(replica, start, vendor=vendor)), encoding="utf-8")
        files.append(file)
    return files


def _jobs(plan: Plan, option: Option, folder: Path) -> list[Path]:
    files = []
    for one in option.parts or (option,):
        jobs = {job.name: job for job in plan.demand.jobs if job.mode == "train"}
        for load in one.loads:
            if load.name not in jobs or one.machine is None:
                continue
            devices = max(1, one.machine.devices_per_server)
            nodes = max(1, one.num_servers - one.num_spares)
            name = load.name.lower().replace(" ", "-")
            script = training_script(name, nodes=nodes, devices=devices, hours=jobs[load.name].window_s / 3600)
            files.append(_script(folder / f"{name}.sbatch", script))
    return files


def _notes(replica: Replica, start: Start) -> list[str]:
    notes = [f"{replica.load}: {start.note}"] if start.note else []
    notes += [f"{replica.load}: {text}" for text in notes_of(replica.options, engine=replica.engine)]
    if replica.nodes > 1:
        notes.append(
            message(
                "{load}: one replica takes {nodes} servers; in Kubernetes that is a LeaderWorkerSet, which is not written here.",
                load=replica.load,
                nodes=replica.nodes,
            )
        )
    if start.metric is None and replica.at_least < replica.at_most:
        notes.append(message("{load}: its engine shows no number of running requests to scale by.", load=replica.load))
    return notes


def _readme(plan: Plan, option: Option, written: list[Path], notes: list[str]) -> str:
    rows = [
        message(
            "| {load} | {model} | {engine} | {precision} | {devices} | {batch} | {low} to {high}, {spares} of them spares |",
            load=replica.load,
            model=replica.model,
            engine=replica.engine,
            precision=replica.precision,
            devices=replica.devices,
            batch=replica.batch,
            low=replica.at_least,
            high=replica.at_most,
            spares=replica.spares,
        )
        for replica in replicas(plan, option)
    ]
    head = message("| service | model | engine | precision | accelerators a replica | parallel requests | replicas |")
    return "\n".join(
        [
            f"# {plan.demand.name}",
            "",
            message("What starts the recommendation of the plan: {what}.", what=describe(option)),
            "",
            head,
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
            message("Set MODEL in the shell, and replace {fill} in the manifests, by the weights that you run.", fill=FILL),
            message("Images name the vendor's newest version: pin the one that you have tested, and measure it first."),
            message("A HorizontalPodAutoscaler needs the metric of running requests from an adapter of Prometheus."),
            *(["", *(f"- {note}" for note in notes)] if notes else []),
            "",
            message("Files: {names}.", names=", ".join(file.name for file in written)),
            "",
        ]
    )


def _script(file: Path, text: str) -> Path:
    file.write_text(text, encoding="utf-8")
    file.chmod(file.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return file


def _vendor(option: Option, catalogue: Catalogue) -> str:
    names = [one.accelerator for one in (option.parts or (option,)) if one.accelerator is not None]
    return (catalogue.accelerators[names[0]].vendor or "") if names and names[0] in catalogue.accelerators else ""
