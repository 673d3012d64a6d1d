"""The loopback Hub's routes, as huggingface_hub 2.4.0 asks for them: one module for each kind.

Each route is a method of a class; `Handler` joins the classes. Transport and faults are in
`tests/hub_wire.py`, what is kept in `tests/hub_store.py`, Xet in `tests/hub_xet.py`.
"""

from tests.hub_routes.access import ORGANISATION, READ, USER, WRITE
from tests.hub_routes.downloads import Downloads
from tests.hub_routes.refs import Refs
from tests.hub_routes.repositories import Repositories
from tests.hub_routes.spaces import Spaces
from tests.hub_routes.uploads import Uploads

__all__ = ["ORGANISATION", "READ", "USER", "WRITE", "Handler"]


class Handler(Repositories, Refs, Uploads, Downloads, Spaces):
    """Answers the requests of all kinds."""
