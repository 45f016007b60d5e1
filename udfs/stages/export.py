"""What the state holds of a user, readable: for whoever asks what is known of them."""

from __future__ import annotations

import msgspec

from schemas.outputs import Export
from schemas.state import ID_BYTES, Profile
from udfs.profile.share_drift import described


def exported(request: str, user: str, profile: Profile) -> list[Export]:
    """The state as a JSON document, but for the packed ids of events, of which there is the number, and what cleaning
    remembers for some minutes, which has cells in it: a copy must not keep a place finer than a district.
    """
    held = msgspec.structs.asdict(profile)
    held["cleaning"] = profile.cleaning is not None
    held["seen"] = sum(len(ids) if isinstance(ids, set) else len(ids) // ID_BYTES for ids in profile.seen.values())
    if profile.drift is not None:
        held["drift"] = {**msgspec.structs.asdict(profile.drift), **described(profile.drift)}
    return [Export(request, user, "state", msgspec.json.encode(held).decode())]
