"""What runs for the fleet: turns prices, holds and telemetry into a plan, and says why."""
