"""OpenVINO, begun by one thread alone.

The first arrays that are handed to its Python module are converted by parts of it that are made at that moment, each
behind a lock of C++ that is taken with the interpreter's lock held. Two threads that come first together wait for each
other's lock for ever, and with them the whole process (seen with 2026.4.1). So everything is used once before anybody
gets it.
"""

import threading
from functools import cache
from typing import Any

import numpy as np

_beginning = threading.Lock()


def inference() -> Any:
    """OpenVINO's core, ready for any thread. Imported on the first call: only a worker needs it."""
    with _beginning:
        return _begun()


@cache
def _begun() -> Any:
    import openvino  # noqa: PLC0415 - heavy, see above
    from openvino import opset13 as operations  # noqa: PLC0415

    core = openvino.Core()
    given = operations.parameter([1, 1], np.float32)
    given.output(0).get_tensor().set_names({"given"})
    found = operations.relu(given)
    found.output(0).get_tensor().set_names({"found"})
    model = openvino.Model([found], [given])
    request = core.compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": 1}).create_infer_request()
    for share in (False, True):
        one = np.ones((1, 1), dtype=np.float32)
        request.infer({"given": one}, share_inputs=share)["found"].copy()
        request.infer({0: one}, share_inputs=share)
        request.get_output_tensor(0).data.copy()
    return core
