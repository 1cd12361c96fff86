"""What speech is looked for in: frames of 32 ms. Apart from the detector, which takes a compiler to load."""

import numpy as np
from numpy.typing import NDArray

FRAME_SAMPLES = 512
CONTEXT = 64  # samples before a frame that are heard with it

Probabilities = NDArray[np.float32]  # of speech, shape (frames,), 0 to 1, one per FRAME_SAMPLES
