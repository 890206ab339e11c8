"""Trainers of the judge and of the caption model, and the texts that they learn from.

Scenes and sentences are made up from word lists.
The language itself is the captioner's.
"""
