"""HTTP below the calls: the bridge from ASGI to Django's threads, bodies, forms, headers, addresses."""
