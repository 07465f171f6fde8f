"""`verify`: known configurations run on this machine, their values compared with known figures."""
