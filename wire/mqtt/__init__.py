"""Links over MQTT 5: for rigs behind NAT and many sites.

A rig is the topic that its frame came on; that only this rig may write there is the broker's
access list to keep (docs/protocol.md). Sessions always start clean and nothing is queued while
the broker is away: orders are desired state, and the side that holds it sends it again.
"""

from wire.mqtt.contact import contact
from wire.mqtt.links import open_agent, open_fleet
from wire.mqtt.listener import Listener, Published, check, open_listener

__all__ = [
    "Listener",
    "Published",
    "check",
    "contact",
    "open_agent",
    "open_fleet",
    "open_listener",
]
