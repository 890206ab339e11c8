"""How close a rebuilt video is to its source, by name, with direction and version.

One metric, one file; ``registry`` lists them.
No files are written here.
"""
