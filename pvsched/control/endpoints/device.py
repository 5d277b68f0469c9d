"""The endpoints of the device itself, all at once, as it stands at its factory revision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvsched.control.endpoints.buildinfo import BuildInfoEndpoint
from pvsched.control.endpoints.containers import ContainerEndpoints
from pvsched.control.endpoints.daemons import DaemonEndpoints
from pvsched.control.endpoints.drivers import DriverEndpoints
from pvsched.control.endpoints.groups import GroupEndpoints
from pvsched.control.endpoints.steps import StepEndpoints

if TYPE_CHECKING:
    from pvsched.control.routes import Router


def add_device(router: Router) -> None:
    """Adds `/containers`, `/groups`, `/steps`, `/daemons`, `/drivers` and `/buildinfo` to `router`."""
    ContainerEndpoints().add_to(router)
    GroupEndpoints().add_to(router)
    StepEndpoints().add_to(router)
    DaemonEndpoints().add_to(router)
    DriverEndpoints().add_to(router)
    BuildInfoEndpoint().add_to(router)
