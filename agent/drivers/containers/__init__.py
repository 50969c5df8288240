"""Workloads as containers of Docker or Podman."""
