"""From a semantic message to channel symbols and back.

Budgets and the codec of whole messages; the rooms below hold what it is made of.
Nothing of the video's meaning is decided here, and nothing here knows the configuration.
"""
