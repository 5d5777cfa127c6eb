"""A typed client of the REST API for Python apps: httpx, sync and async, nothing else of this project.

    with Client("http://host:port", token) as client:
        job = client.submit("minilm", {"text": "Good morning."})
        print(client.wait(job).output)

Each submit carries an idempotency key, one of its own where the caller names none, so that repeating it is
safe: what the platform turns away for a while (429, 503) is asked again after its `Retry-After`, and what the
network lost is asked again as well.

Files go ahead of the jobs that refer to them, or along with the one that does; neither is read whole:

        scan = client.upload("scan.png", content_type="image/png")
        client.submit("reader", {"page": scan.ref})
        client.submit("reader", {"page": part("page")}, files={"page": File("scan.png", "image/png")})
"""

from jobs.client.answers import (
    BulkItem,
    JobError,
    JobEvent,
    PlatformRefusedError,
    Problem,
    RemoteJob,
    UploadedFile,
)
from jobs.client.calls import Patience
from jobs.client.files import File, part
from jobs.client.for_asyncio import AsyncClient
from jobs.client.for_threads import Client

__all__ = [
    "AsyncClient",
    "BulkItem",
    "Client",
    "File",
    "JobError",
    "JobEvent",
    "Patience",
    "PlatformRefusedError",
    "Problem",
    "RemoteJob",
    "UploadedFile",
    "part",
]
