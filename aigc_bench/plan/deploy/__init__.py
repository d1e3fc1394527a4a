"""The recommended option as files that start it: commands of serving engines, Kubernetes manifests, Slurm scripts."""
