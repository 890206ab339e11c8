"""Models behind the transmitter's protocols, one room for each family.

A back end is loaded by the catalogue, never by a stage.
No back end knows another family's.
"""
