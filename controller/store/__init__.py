"""Durable memory of the controller: SQL for use, memory for simulation, one contract for both."""
