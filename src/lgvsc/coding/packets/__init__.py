"""A message over a packet network: headers, packets, fragments that replace lost ones, seals under a key.

Any subset of packets decodes.
No sockets; those are in ``live``.
"""
