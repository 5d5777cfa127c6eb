"""The one router of all calls on jobs: an address that two routers share would answer one's methods with 405."""

from ninja import Router

router = Router(tags=["jobs"])
