"""The nouns: video, message, burst, reception, ledger, and the protocols between stages.

Files of videos and messages are read and written here.
Nothing here knows a model or a channel.
More than fifteen files, as a noun is a file.
"""
