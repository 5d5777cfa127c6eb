from tests.smoke.interim import Rendered as Rendered
