"""The only router of all calls on jobs: where two routers share an address, one of them answers 405."""

from ninja import Router

router = Router(tags=["jobs"])
