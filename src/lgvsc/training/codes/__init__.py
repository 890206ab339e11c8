"""Trainers of learned codes: NTSCC, DeepJSCC, DVST.

Each is a command of ``lgvsc train``.
The codes themselves are in ``coding`` and ``nets``.
"""
