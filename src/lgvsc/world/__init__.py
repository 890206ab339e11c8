"""From a received message to frames: adapters, the semantic decoder, world models.

What is lost is concealed by rules that the decoder states.
Nothing here sees symbols or the source.
"""
