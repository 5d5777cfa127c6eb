"""The one router of all calls on jobs: of two routers that share an address, one would answer 405."""

from ninja import Router

router = Router(tags=["jobs"])
