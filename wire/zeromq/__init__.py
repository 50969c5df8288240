"""Links over ZeroMQ with CURVE: the embedded default, without a broker.

A rig is its CURVE key, as ZAP has checked it, never what a frame or a socket says about itself;
the agent in turn pins the controller's key. Routing ids are made by the controller's socket, so
no rig can take over another's. Nothing here ever blocks the event loop.
"""

from wire.zeromq.agent import open_agent
from wire.zeromq.contact import contact
from wire.zeromq.fleet import RigOf, ZeroMqFleetLink, open_fleet
from wire.zeromq.keys import KeyPair, generate_keys, public_key

__all__ = [
    "KeyPair",
    "RigOf",
    "ZeroMqFleetLink",
    "contact",
    "generate_keys",
    "open_agent",
    "open_fleet",
    "public_key",
]
