"""HTTP beneath the calls: the ASGI bridge to Django's threads, bodies, forms, headers, addresses."""
