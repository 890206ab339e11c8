"""The compact family: a captioner that measures, a judge and a detector with shipped weights.

Everything runs offline on one core.
Nothing here imports transformers.
"""
