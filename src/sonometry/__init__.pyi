from sonometry.io.read import read as read
from sonometry.workflows.measure import measure as measure
from sonometry.workflows.simulate import simulate as simulate

__version__: str
