"""The folders of a user's configuration and caches, also for a user without a home (a container, a service, ``env -i``)."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def config_home() -> Path | None:
    """``$XDG_CONFIG_HOME`` or ``~/.config``; ``None`` where this user has no home, or one that belongs to another user."""
    given = os.environ.get("XDG_CONFIG_HOME")
    if given:
        return Path(given)
    home = _home()
    return None if home is None or _is_closed(home / ".config") else home / ".config"


def cache_home() -> Path:
    """``$XDG_CACHE_HOME`` or ``~/.cache``; a folder of the user's own among the temporary ones where no home can hold a cache."""
    given = os.environ.get("XDG_CACHE_HOME")
    if given:
        return Path(given)
    home = _home()
    if home is not None and _can_hold(home / ".cache"):
        return home / ".cache"
    return _own_temporary()


def _home() -> Path | None:
    """The home that ``$HOME`` or the password database names; ``None`` where neither does."""
    try:
        # Raises RuntimeError where neither $HOME nor the password database names one.
        return Path.home()
    except RuntimeError:
        return None


def _is_closed(folder: Path) -> bool:
    """Whether this user may not look into the folder, or not even see whether it exists (``sudo`` that kept ``$HOME``)."""
    try:
        folder.stat()
    except PermissionError:
        return True
    except OSError:
        return False
    # Search permission: without it no file below can be opened.
    return not os.access(folder, os.X_OK)


def _can_hold(folder: Path) -> bool:
    """Whether files can be made in the folder, or the folder itself where it is missing."""
    nearest = next((place for place in (folder, *folder.parents) if os.path.lexists(place)), folder)
    return os.path.isdir(nearest) and os.access(nearest, os.W_OK | os.X_OK)  # noqa: PTH112 - Path.is_dir raises where it may not look


def _own_temporary() -> Path:
    """A folder that only this user can write to: one that another user has put there first is left alone."""
    # /tmp is shared: anyone may have made a folder or link of this name before.
    folder = Path(tempfile.gettempdir()) / f"aigc-bench-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        # lstat: a link to a folder of ours would pass a check of its target.
        found = folder.lstat()
        is_ours = folder.is_dir() and not folder.is_symlink() and found.st_uid == os.getuid() and not found.st_mode & 0o022
    except OSError:
        is_ours = False
    return folder if is_ours else Path(tempfile.mkdtemp(prefix="aigc-bench-"))
