"""The browser of a superuser. Read before Django is up, so that rows are imported late."""

import pytest
from django.test import Client as Browser


@pytest.fixture
def browser(db: str) -> Browser:
    from tests.support.admin import browser_of

    return browser_of()
