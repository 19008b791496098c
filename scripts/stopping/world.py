"""Who stops a run, as others are to know them."""

from __future__ import annotations

import os
from contextlib import suppress

from chalicelib.core.ports import Loc


def who(work: Loc) -> str:
    """The identity whose credentials are in use or, on this machine or where AWS does not tell, `user@host`."""
    if not work.bucket.startswith("/"):
        from scripts.deployment.aws.owner import current_identity
        from scripts.deployment.target import DeployError

        with suppress(DeployError):
            return current_identity()
    return local_user()


def local_user() -> str:
    """`user@host`; the user's number where it has no name."""
    try:
        import getpass

        user = getpass.getuser()
    except (KeyError, OSError):
        user = "somebody"
    return f"{user}@{os.uname().nodename}"
