"""Adapters that see GPUs: NVML and simulated ones."""
