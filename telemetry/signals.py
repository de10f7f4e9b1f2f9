"""News that travels up: floors above connect, nobody here imports them."""

from django.dispatch import Signal

# Sent by the drain inside factory_context once a batch is in the store.
# Arguments: factory (tenants.Factory), machines (dict of key -> (first t_ms, last t_ms) of what was just stored),
# readings (how many), batch (the ReadingBatch itself, in the order of arrival).
# A receiver only enqueues.
readings_stored = Signal()
