from sonometry.io.read import read as read
from sonometry.workflows.deidentify import deidentify as deidentify
from sonometry.workflows.ingest import ingest as ingest
from sonometry.workflows.measure import measure as measure
from sonometry.workflows.simulate import simulate as simulate
from sonometry.workflows.splits import splits as splits

__version__: str
