"""The compact family: a captioner that measures, a judge and a detector with shipped weights.

Everything runs offline on one core.
Nothing here imports transformers.
More than fifteen files, as each measures or names one kind of thing, or converts one kind of published weights.
"""
