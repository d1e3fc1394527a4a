"""Kubernetes manifests of a service: Deployment, Service, HorizontalPodAutoscaler and PodDisruptionBudget.

A Deployment's pod is one replica on one server. A replica over several servers needs a LeaderWorkerSet, which not every cluster
has, and gets a Slurm script only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aigc_bench.core.messages import message
from aigc_bench.plan.deploy.commands import MODEL, Start
from aigc_bench.plan.deploy.replica import Replica

RESOURCES: Mapping[str, str] = {
    "NVIDIA": "nvidia.com/gpu", "AMD": "amd.com/gpu", "Intel": "gpu.intel.com/i915", "Huawei": "huawei.com/Ascend910",
    "Google": "google.com/tpu", "AWS": "aws.amazon.com/neuron",
}  # fmt: skip
"""The resource by which each vendor's device plugin names its accelerators."""
FILL = "REPLACE-WITH-PATH-OR-HUB-ID"
TARGET = 0.8
"""Share of a replica's batch that runs in the mean; above it replicas are added before requests wait."""
LOAD_SECONDS = 1800
"""A replica may take this long to read its weights before it is restarted."""


def manifests(replica: Replica, start: Start, *, vendor: str) -> list[dict[str, Any]]:
    """Return the objects of one service, as Kubernetes takes them (apps/v1, v1, autoscaling/v2, policy/v1)."""
    labels = {"app.kubernetes.io/name": replica.name, "app.kubernetes.io/managed-by": "aigc-bench"}
    found = [_deployment(replica, start, labels=labels, vendor=vendor), _service(replica, labels=labels)]
    if start.metric is not None and replica.at_least < replica.at_most:
        found.append(_autoscaler(replica, start.metric, labels=labels))
    if replica.at_most > 1:
        budget = {"maxUnavailable": max(1, replica.spares), "selector": {"matchLabels": dict(labels)}}
        found.append(_object("policy/v1", "PodDisruptionBudget", replica, labels, budget))
    return found


def manifest_text(objects: Sequence[Mapping[str, Any]]) -> str:
    """Return the objects of one service as the text of a YAML file, with what an autoscaler needs as a comment before it."""
    import yaml

    found = []
    for one in objects:
        text = yaml.safe_dump(one, sort_keys=False, width=120)
        found.append(f"{_comment(one)}{text}" if one["kind"] == "HorizontalPodAutoscaler" else text)
    return "---\n".join(found)


def _comment(scaler: Mapping[str, Any]) -> str:
    name = scaler["spec"]["metrics"][0]["pods"]["metric"]["name"]
    lines = (
        message("Needs the metric {name} of every pod in the API custom.metrics.k8s.io: install Prometheus with", name=name),
        message("prometheus-adapter (or KEDA) and a rule that maps the engine's metric to this name; managed clusters"),
        message("(EKS, GKE, AKS, ACK) have no such adapter by default. Without it the replicas stay as they are."),
    )
    return "".join(f"# {line}\n" for line in lines)


def _deployment(replica: Replica, start: Start, *, labels: Mapping[str, str], vendor: str) -> dict[str, Any]:
    resource = RESOURCES.get(vendor, "nvidia.com/gpu")
    requests: dict[str, str] = {resource: str(replica.devices)}
    # A tenth is left to the node's own services: a pod that takes its whole share would not fit.
    requests |= {"cpu": str(max(1, int(replica.cores * 0.9)))} if replica.cores is not None else {}
    requests |= {"memory": f"{max(1, int(replica.memory_gib * 0.9))}Gi"} if replica.memory_gib is not None else {}
    startup, ready = ({"httpGet": {"path": "/health", "port": "http"}} for _ in range(2))  # one object twice becomes a YAML anchor
    container = {
        "name": "server",
        "image": start.image,
        # $(MODEL) is expanded by Kubernetes, $MODEL by a shell.
        "command": ["$(MODEL)" if word == MODEL else word for word in start.words],
        "env": [{"name": "MODEL", "value": FILL}],
        "ports": [{"name": "http", "containerPort": start.port}],
        "resources": {"limits": {resource: str(replica.devices)}, "requests": requests},
        "startupProbe": {**startup, "periodSeconds": 10, "failureThreshold": LOAD_SECONDS // 10},
        "readinessProbe": {**ready, "periodSeconds": 5},
        "volumeMounts": [{"name": "shared-memory", "mountPath": "/dev/shm"}],
    }
    # NCCL passes data between the processes of a replica through shared memory; the default of 64 MB ends it.
    volume = {"name": "shared-memory", "emptyDir": {"medium": "Memory"}}
    spec = {
        "replicas": replica.at_most,
        "selector": {"matchLabels": dict(labels)},
        "template": {"metadata": {"labels": dict(labels)}, "spec": {"containers": [container], "volumes": [volume]}},
    }
    return _object("apps/v1", "Deployment", replica, labels, spec)


def _service(replica: Replica, *, labels: Mapping[str, str]) -> dict[str, Any]:
    port = {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}
    return _object("v1", "Service", replica, labels, {"selector": dict(labels), "ports": [port]})


def _autoscaler(replica: Replica, metric: str, *, labels: Mapping[str, str]) -> dict[str, Any]:
    target = {"type": "AverageValue", "averageValue": str(max(1, int(replica.batch * TARGET)))}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": replica.name},
        "minReplicas": replica.at_least,
        "maxReplicas": replica.at_most,
        # A colon is no part of a metric's name in Kubernetes' API; the adapter of Prometheus maps this one.
        "metrics": [{"type": "Pods", "pods": {"metric": {"name": metric.replace(":", "_")}, "target": target}}],
        # Loading weights takes minutes: what is there stays for a while.
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 600}},
    }
    return _object("autoscaling/v2", "HorizontalPodAutoscaler", replica, labels, spec)


def _object(version: str, kind: str, replica: Replica, labels: Mapping[str, str], spec: Mapping[str, Any]) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": replica.name, "labels": dict(labels)}, "spec": dict(spec)}
