"""News that travels up: floors above connect, nobody here imports them."""

from django.dispatch import Signal

# Sent by the drain inside factory_context once a batch is in the store.
# Arguments: factory (tenants.Factory), machines (dict of key -> (first t_ms, last t_ms) of what was just stored),
# readings (how many), batch (the ReadingBatch itself, in the order of arrival).
# A receiver only enqueues.
readings_stored = Signal()

# Sent by the drain's live path, outside factory_context, a few milliseconds after readings are in the journal; those of
# a drain that has fallen behind are left out. Arguments: factory_slug, bodies (as ReadingBatch.to_bytes has them, in
# order of arrival). A receiver is quick, and answers True where the readings should be stored without the usual rest.
readings_arrived = Signal()
