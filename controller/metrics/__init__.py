"""The controller in Prometheus' words. Names are a public contract, told in docs/metrics.md."""
