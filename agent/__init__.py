"""What runs on a rig: walks each GPU group from one workload to another, safely."""
