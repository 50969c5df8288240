"""The whole path on one machine: real controller, real agents, simulated GPUs, demo workloads."""
