"""How close a rebuilt video is to its source, by name, with direction and version.

One metric, one file; ``registry`` lists those of frames and files, and those of the papers' tasks stand beside them.
More than fifteen files, as there is one for each metric. No files are written here.
"""
