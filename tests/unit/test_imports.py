import subprocess
import sys

PROGRAM = """
import django, sys
django.setup()
import models_registry.selectors, models_registry.services, models_registry.admin, models_registry.api
import models_registry.pool, models_registry.shared.admin_readonly
import models_registry.management.commands.register_model
frameworks = {"torch", "transformers", "sentence_transformers", "safetensors"}
print(sorted(frameworks & set(sys.modules)))
"""


def test_no_part_of_the_registry_imports_a_framework_until_a_model_is_loaded() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
