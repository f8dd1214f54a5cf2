from __future__ import annotations

import pickle

from saliency_viewer.errors import UserError


def test_user_error_survives_the_way_between_processes():
    error = pickle.loads(pickle.dumps(UserError("It failed.", "Try again.", "code 7")))
    assert (error.message, error.hint, error.detail) == ("It failed.", "Try again.", "code 7")
    assert str(error) == "It failed. Try again."
