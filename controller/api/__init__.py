"""HTTP for operators, their tools and Prometheus. It decides nothing and keeps no state."""
