"""Video in memory and in files: what the rest of the package needs of it, under one name."""

from lgvsc.core.frames import Frame as Frame
from lgvsc.core.frames import Video as Video
from lgvsc.core.frames import VideoFormat as VideoFormat
from lgvsc.core.frames import frames_of_piece as frames_of_piece
from lgvsc.core.frames import with_frames as with_frames
from lgvsc.core.picture_chain import MAX_PIXELS as MAX_PIXELS
from lgvsc.core.picture_chain import Pixels as Pixels
from lgvsc.core.video_reader import OnNotes as OnNotes
from lgvsc.core.video_reader import VideoReader as VideoReader
from lgvsc.core.video_reader import read_video as read_video
from lgvsc.core.video_writer import VideoWriter as VideoWriter
from lgvsc.core.video_writer import write_video as write_video
