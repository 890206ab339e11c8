"""What the words and numbers of a report mean, for a reader who has only the report."""

DEFINITIONS = (
    (
        "symbol",
        "One complex channel use. The symbols of each part have mean energy one.",
    ),
    (
        "CBR",
        "Channel bandwidth ratio: all symbols sent, over 3 × height × width × frames of the source. Control, CRC, "
        "parity, padding and the closing keyframe are in it.",
    ),
    (
        "SNR",
        "Es/N0 in decibels per complex symbol; N0 is the whole variance of the complex noise.",
    ),
    (
        "kbit/s",
        "Information bits of the digital parts, before CRC and channel code, per second of video, in thousands.",
    ),
    (
        "airtime",
        "All symbols over the stated number of symbols per second.",
    ),
    (
        "divergence",
        "P(No) − P(Yes), when a language model is asked whether two descriptions tell of the same content. Between −1 "
        "and 1; larger is less alike.",
    ),
    (
        "keyframe",
        "A frame that is sent as a picture. A segment runs from one keyframe up to the next; the last frame of the "
        "video is one too, the closing keyframe.",
    ),
    (
        "PSNR",
        "Per frame, on 8-bit RGB, then averaged over frames. Frames equal to their source are counted apart.",
    ),
    (
        "SSIM",
        "Structural similarity per frame and colour: Gaussian window of 11 × 11, sigma 1.5, where it lies inside the "
        "picture (Wang et al. 2004). MS-SSIM multiplies five scales (Wang et al. 2003).",
    ),
    (
        "lost",
        "The check sum of a part did not agree at the receiver, so the part was not used.",
    ),
)

PROVENANCE_WORDS = {
    "received": "decoded pictures",
    "generated": "made by the receiver from what arrived",
    "concealed": "made although something was lost",
    "missing": "nothing arrived to make them from",
}
