"""Open-Sora 1.2 as a world model: plans, prompts, weights, text encoder, cost.

Its networks are in ``nets``.
Nothing is fetched here.
"""
