"""Whether a JPEG file can hold the picture that its header claims; its decoder fills what is missing with
grey, in silence."""

import struct

SOI = b"\xff\xd8"
BASELINE, EXTENDED, PROGRESSIVE = 0xC0, 0xC1, 0xC2  # frames in Huffman coding (ITU-T T.81, table B.1)
# Bits that a block of 8 x 8 takes at least: a code for its mean and, where it is coded at once, for its end
LEAST_BITS = {BASELINE: 2, EXTENDED: 2, PROGRESSIVE: 1}
SOS = 0xDA
ALONE = (0x01, *range(0xD0, 0xD9))  # markers without a length
BLOCK = 8  # pixels


def lacks_data(data: bytes) -> bool:
    """Whether the coded data is too short for the blocks of the picture, whatever is in them.

    A file that is damaged otherwise lacks none: its decoder says what is wrong. Data that breaks off later,
    and is closed properly, cannot be told from a picture with grey below.
    """
    frame, at = None, len(SOI)
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF or marker in ALONE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in LEAST_BITS and at + 9 <= len(data):
            frame = marker, *struct.unpack(">HH", data[at + 5 : at + 9])
        if marker == SOS:
            break
        at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    if frame is None:
        return False
    kind, rows, columns = frame
    blocks = -(-rows // BLOCK) * -(-columns // BLOCK)
    return 8 * (len(data) - at) < LEAST_BITS[kind] * blocks
