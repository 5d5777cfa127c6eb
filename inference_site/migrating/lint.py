"""`python -m inference_site.migrating.lint`: refuses migrations that would break the release before.

Only migrations after the baseline are read: the older ones ran before this rule was made. A migration may say
`contracts = {"worker.lanes": "0073_lanes_unused"}` (what it takes away, and since when no code uses it) and
`lint_allows = {"rule": "the reason"}`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import NamedTuple

import django
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration
from django.db.migrations.state import ProjectState

from inference_site.migrating.migration_rules import SENTENCES, MigrationRule
from inference_site.migrating.operation_rules import (
    MigrationStep,
    broken_by_step,
    changed_tables,
    flattened,
    mixes_data,
)
from inference_site.migrating.sql_rules import Broken

# The newest migration of each app that is older than the rules.
BASELINE = {"jobs": "0070_trial_attempts", "models_registry": "0011_rollouts"}


class BrokenMigration(NamedTuple):
    """A migration that breaks a rule."""

    migration: str
    operation: str
    rule: MigrationRule

    def __str__(self) -> str:
        """Return the line that is printed."""
        where = f"{self.migration}: {self.operation}" if self.operation else self.migration
        return f"{where} [{self.rule}]\n    {SENTENCES[self.rule]}"


# The settings need some value; nothing is asked of a server.
NO_SERVERS = {
    "DJANGO_SETTINGS_MODULE": "inference_site.settings",
    "DATABASE_URL": "postgresql://nobody/none",
    "BROKER_URL": "amqp://nobody",
    "SECRET_KEY": "none",
}
Key = tuple[str, str]


def findings(
    migrations: Mapping[Key, Migration],
    state_before: Callable[[Key], ProjectState],
    *,
    baseline: Mapping[str, str] = BASELINE,
) -> Iterator[BrokenMigration]:
    """Yield what those of the migrations break that are newer than the baseline of their app."""
    for (app, name), migration in sorted(migrations.items(), key=itemgetter(0)):
        if app in baseline and name > baseline[app]:
            earlier = [other for owner, other in migrations if owner == app and other < name]
            yield from _of_migration(migration, state_before((app, name)), earlier=earlier)


def _of_migration(
    migration: Migration, state: ProjectState, *, earlier: Sequence[str]
) -> Iterator[BrokenMigration]:
    contracts: dict[str, str] = getattr(migration, "contracts", {})
    allowed: dict[str, str] = getattr(migration, "lint_allows", {})
    used = set[str]()
    for words, broken in _broken(migration, state):
        if broken.rule is MigrationRule.TAKES_AWAY and contracts.get(broken.name) in earlier:
            used.add(broken.name)
        elif allowed.get(broken.rule):
            used.add(broken.rule)
        else:
            yield BrokenMigration(str(migration), words, broken.rule)
    if {*contracts, *allowed} - used:
        yield BrokenMigration(str(migration), "", MigrationRule.STALE_MARK)


def _broken(migration: Migration, state: ProjectState) -> Iterator[tuple[str, Broken]]:
    created = set[str]()
    app = migration.app_label
    for operation in migration.operations:
        before = state.clone()
        for part in flattened([operation]):
            step = MigrationStep(part, app, before, created=created, atomic=bool(migration.atomic))
            for broken in broken_by_step(step):
                yield part.describe(), broken
            part.state_forwards(app, before)
        operation.state_forwards(app, state)  # of separated operations the other half
    if migration.atomic and mixes_data(migration.operations):
        yield "", Broken(MigrationRule.DATA)
    if migration.atomic and len(changed_tables(migration.operations, migration.app_label)) > 1:
        yield "", Broken(MigrationRule.SEVERAL)


def main() -> int:
    """Print what is wrong; return 1 if anything is."""
    for name, value in NO_SERVERS.items():
        os.environ.setdefault(name, value)
    django.setup()
    loader = MigrationLoader(None, ignore_no_migrations=True)
    before = partial(loader.project_state, at_end=False)
    wrong = [*map(str, findings(loader.disk_migrations, before))]
    print(*wrong or ["Migrations: each runs beside the release before."], sep="\n")  # noqa: T201  # its output
    return min(1, len(wrong))


if __name__ == "__main__":
    sys.exit(main())
