"""The plan: what every group shall do now, and why."""
