"""Simulation: the shipped controller and agents on a virtual clock, in a world that misbehaves.

Real here: reactor, performer, switch machine, journal, uplink, sessions, dispatch, reconciler,
planner, quotes, codec and signatures. Simulated: time, chance, network, disks, processes, GPUs.
"""
