"""The catalogue of models: cards, weights, digests, the hub.

Shipped assets and their cards lie here.
Only ``hub`` opens a socket, and only when asked.
"""
