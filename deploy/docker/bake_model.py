"""Put a model that came as packages into a folder, checked: ``python bake_model.py FOLDER NAME``. Used by the Dockerfile."""

import sys
from pathlib import Path

from core.engines.models import ModelStore

folder, name = sys.argv[1:]
ModelStore(Path(folder), download=False).find(name)
