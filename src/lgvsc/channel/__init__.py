"""What happens to symbols in the air, and recordings of them.

Noise, fading, losses, pilots, waveforms, SigMF.
Nothing here knows what the symbols carry.
"""
