"""The bytes of an archive: frames, tar members, a manifest first; nothing here knows of rows or requests."""
