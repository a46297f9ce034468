"""What tests share across folders; asserts in here are shown with their values, as in tests."""

import pytest

pytest.register_assert_rewrite("tests.support.networks", "tests.support.rewrites")
