"""Demo workloads: programs that speak a miner's and an inference server's API. They do no mining."""
