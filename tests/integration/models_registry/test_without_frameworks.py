"""Commands and pages of the processes whose image has no framework, run where none can be imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from inference_site.stack.services import PROJECT
from tests.support.frameworks import without_frameworks

pytestmark = pytest.mark.usefixtures("db")
PROGRAM = """
import django
django.setup()
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.db import transaction
from django.test.utils import setup_test_environment
setup_test_environment()
with transaction.atomic():
    call_command("check", deploy=True)
    call_command("register_builtin_models")
    call_command("register_builtin_models")
    browser = Client(SERVER_NAME="localhost", REMOTE_ADDR="203.0.113.9")
    browser.force_login(User.objects.create_user("pages", is_staff=True, is_superuser=True))
    for model in admin.site._registry:
        path = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        response = browser.get(path)
        assert response.status_code in {200, 302}, (path, response.status_code)
    version = browser.get(reverse("admin:models_registry_modelversion_changelist"))
    assert b"minilm" in version.content
    transaction.set_rollback(True)
"""


def test_checks_built_in_models_and_admin_pages_need_no_framework(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=without_frameworks(tmp_path), cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "minilm:1 is registered" in done.stdout
