"""Work over many videos: here, in processes, on Ray's actors; and one transmitter for all of them.

A job is a video and what is to be made of it; a result is the same whoever did the work.
Nothing here compares schemes or measures quality.
"""
