"""Pages and reports for people.

One self-contained file, no network.
Nothing is measured here.
"""
