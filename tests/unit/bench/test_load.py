"""The load of a measurement: what it stores is gone with it."""

from __future__ import annotations

import os

import pytest

from pvsched.bench.load import Load
from pvsched.bench.service import Service


@pytest.mark.parametrize("verb", ["put", "get"])
def test_a_load_leaves_no_object_behind(verb: str) -> None:
    """A round of 64 MiB after the other would fill a board's /tmp, which is memory."""
    with Service(2) as service:
        load = Load(service.socket, service.directory, 4096, (verb,), service.objects())
        try:
            load.start()
            load.stop()
        finally:
            load.abort()
        assert os.listdir(service.objects()) == []
