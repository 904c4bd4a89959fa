"""A manifest beside recordings that stay where they are.

Paths of a manifest are relative and stay below its folder. Where recordings lie elsewhere, the folder of the manifest
gets one link to theirs; nothing is copied.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from sonometry.core.errors import OutputError
from sonometry.io.atomic import output_error

#: Name of the link.
LINK = "recordings"


def link_to(recordings: Path, manifest_folder: Path) -> PurePosixPath:
    """Path of the folder `recordings` as seen from `manifest_folder`, which gets a link where it is not above it.

    Raises OutputError where the link cannot be made or another one is there.
    """
    inside, folder = recordings.resolve(), manifest_folder.resolve()
    if inside.is_relative_to(folder):
        return PurePosixPath(inside.relative_to(folder).as_posix())
    link = manifest_folder / LINK
    try:
        manifest_folder.mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(link):
            link.symlink_to(inside, target_is_directory=True)
    except OSError as error:
        raise output_error(link, error) from error
    if link.resolve() != inside:
        raise OutputError(f"{manifest_folder.name}/{LINK} leads to other recordings; choose another --out DIR")
    return PurePosixPath(LINK)
