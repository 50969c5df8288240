"""Adapters that run workloads: launchers start processes, drivers know what runs in them."""
