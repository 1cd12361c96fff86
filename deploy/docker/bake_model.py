# ruff: noqa: INP001 - run by its path, part of no package
"""Put a model that came as packages into a folder, checked: ``bake_model.py FOLDER NAME``, for the Dockerfile."""

import sys
from pathlib import Path

from core.engines.models import ModelStore

folder, name = sys.argv[1:]
ModelStore(Path(folder), download=False).find(name)
