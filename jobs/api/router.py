"""The routers of the API: where two share an address, one of them answers 405, so each has its own."""

from ninja import Router

router = Router(tags=["jobs"])
rollouts_router = Router(tags=["rollouts"])
