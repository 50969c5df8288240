"""Demo workloads: programs that speak a miner's and an inference server's API; nothing is mined."""
