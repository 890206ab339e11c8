"""Bits as symbols and back: codes, QAM, interleaving, and the choice among them by SNR.

The measured table of block error rates lies beside the choice.
Nothing here knows what the bits mean.
"""
