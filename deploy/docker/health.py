# ruff: noqa: INP001 - run by its path, part of no package
"""Whether this container's process is well: 0 if its health port answers 200. Without packages, so it starts at once.

``python health.py livez``: whether it lives; ``readyz``: whether it can take work now.
"""

import os
import sys
import urllib.request


def port() -> str:
    """The worker's health port where one is set, else the API's."""
    return os.environ.get("WORKER_HEALTH_PORT") or os.environ.get("API_PORT") or "8000"


def main() -> None:
    """Ask, and end with 0 or 1."""
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{port()}/{sys.argv[1]}", timeout=4) as answer:
            sys.exit(answer.status != 200)
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)


main()
